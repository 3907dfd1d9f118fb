package io.espalier.loadtest.crash;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.live.SyntheticCatalogue;
import io.espalier.loadtest.process.ServerProcess;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Kills a catalogue's writer again and again while clients stream changes to it. */
@Command(
    name = "kill-writer",
    description =
        "Kills a catalogue's writer (SIGKILL) while two clients stream changes, and checks each time"
            + " that its log holds what was acknowledged, in order and whole, and that its newest"
            + " snapshot is the catalogue of its offset.")
public final class KillWriterCommand implements Callable<Integer> {
  private static final String TEMPLATE = "shop-tiger@1";
  private static final int ITEMS = 512;
  // In so many rounds the writer is also killed while it starts.
  private static final int ONE_EARLY_KILL_IN = 10;
  private static final int ONE_WHOLE_CHECK_IN = 25;
  private static final int CHANGES_A_SNAPSHOT = 60;

  @Option(names = "--rounds", description = "Kills (default: ${DEFAULT-VALUE}).")
  private int rounds = 1000;

  @Option(
      names = "--rounds-per-log",
      description = "After so many a new log is begun (default: ${DEFAULT-VALUE}).")
  private int roundsPerLog = 100;

  @Option(
      names = "--longest-ms",
      description = "A kill comes within this time of streaming (default: ${DEFAULT-VALUE}).")
  private int longestMillis = 150;

  @Option(
      names = "--unpublished",
      description = "No snapshots are published: the whole log is there, and looked at again.")
  private boolean unpublished;

  @Option(names = "--seed", description = "Of everything random (default: ${DEFAULT-VALUE}).")
  private long seed = 1;

  @Option(names = "--model-repo", description = "Where " + TEMPLATE + " is.")
  private Path modelRepo = Path.of("model-repo");

  @Option(names = "--out", description = "For logs and models (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/kill-writer");

  private final Report report;
  private String[] archived = {};
  private long startNanos;
  private long acknowledged;
  private long unanswered;
  private int earlyKills;
  private int unfinished;
  private int snapshots;

  /** Prints to a report. */
  public KillWriterCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    SyntheticCatalogue catalogue =
        SyntheticCatalogue.write(
            out, BundleRepository.open(modelRepo).get(BundleId.parse(TEMPLATE)), ITEMS, seed);
    archiveClasses(catalogue);
    Random random = new Random(seed);
    for (int done = 0; done < rounds; done += roundsPerLog) {
      Path log = Files.createTempDirectory(out, "log-");
      oneLog(catalogue, log, done, Math.min(roundsPerLog, rounds - done), random);
      try (Stream<Path> files = Files.list(log)) {
        unfinished +=
            (int) files.filter(f -> f.getFileName().toString().startsWith("unfinished")).count();
      }
    }
    report.line(
        "%d kills under load and %d while starting: %d changes acknowledged, none lost, none in"
            + " part, all in order; %d unanswered at the kills; %d unfinished ends put aside; %d"
            + " snapshots of changes looked at",
        rounds, earlyKills, acknowledged, unanswered, unfinished, snapshots);
    return 0;
  }

  /**
   * Keeps the classes that a writer loads in a file that later starts map into memory: a faster
   * start, no more. Java makes none of a class path with folders in it.
   */
  private void archiveClasses(SyntheticCatalogue catalogue)
      throws IOException, InterruptedException {
    Path log = Files.createTempDirectory(out, "log-");
    Path archive = out.resolve("writer.jsa");
    try (ServerProcess writer =
        start(catalogue, log, "-XX:ArchiveClassesAtExit=" + archive, "-Xlog:disable")) {
      writer.target();
    }
    archived =
        Files.exists(archive)
            ? new String[] {"-XX:SharedArchiveFile=" + archive, "-Xshare:auto", "-Xlog:disable"}
            : new String[0];
  }

  private void oneLog(SyntheticCatalogue catalogue, Path log, int before, int count, Random random)
      throws IOException, InterruptedException {
    Script script = new Script(catalogue, seed + before);
    LogCheck check = new LogCheck(script, ITEMS + 1L);
    SnapshotCheck published = new SnapshotCheck(catalogue, snapshots(log));
    List<Client> killed = List.of();
    for (int round = 0; round <= count; round++) {
      if (random.nextInt(ONE_EARLY_KILL_IN) == 0) {
        killWhileStarting(catalogue, log, random);
      }
      long start = System.nanoTime();
      try (ServerProcess writer = start(catalogue, log, archived)) {
        String target = writer.target();
        startNanos = System.nanoTime() - start;
        boolean whole = round % ONE_WHOLE_CHECK_IN == 0 || round == count;
        check(target, check, killed, unpublished && whole);
        if (!unpublished) {
          published.look(check);
        }
        if (round < count) {
          killed = killUnderLoad(writer, target, script, check, random);
        }
      }
      if (round % ONE_WHOLE_CHECK_IN == 0 || round == count) {
        report.line(
            "%d kills, %d changes acknowledged, %d records of this log checked from its first",
            before + Math.min(round + 1, count), acknowledged, check.offset() - ITEMS);
      }
    }
    snapshots += published.looked();
  }

  private static Path snapshots(Path log) {
    return log.resolveSibling(log.getFileName() + "-snapshots");
  }

  private void killWhileStarting(SyntheticCatalogue catalogue, Path log, Random random)
      throws IOException, InterruptedException {
    try (ServerProcess writer = start(catalogue, log, archived)) {
      Thread.sleep(Duration.ofNanos((long) (startNanos * random.nextDouble())));
      writer.kill();
      earlyKills++;
    }
  }

  /** Checks what a kill left against what the clients that it ended were told. */
  private static void check(String target, LogCheck check, List<Client> killed, boolean whole) {
    ManagedChannel channel = ClientChannels.open(target);
    try {
      check.readOn(channel);
      killed.forEach(client -> client.check(check));
      if (whole) {
        check.readAgain(channel);
      }
    } finally {
      channel.shutdownNow();
    }
  }

  private List<Client> killUnderLoad(
      ServerProcess writer, String target, Script script, LogCheck check, Random random)
      throws InterruptedException {
    List<Client> clients = new ArrayList<>();
    List<ManagedChannel> channels = new ArrayList<>();
    for (int client = 0; client < Script.CLIENTS; client++) {
      channels.add(ClientChannels.open(target));
      clients.add(new Client(channels.getLast(), script, client, check.number(client)));
    }
    // At least one change is acknowledged, or the kill proves nothing.
    clients.getFirst().awaitFirst();
    Thread.sleep(random.nextInt(longestMillis));
    writer.kill();
    for (Client client : clients) {
      client.await();
      acknowledged += client.acknowledged();
      unanswered += client.unanswered();
    }
    channels.forEach(ManagedChannel::shutdownNow);
    return clients;
  }

  private ServerProcess start(SyntheticCatalogue catalogue, Path log, String... furtherFlags)
      throws IOException {
    List<String> flags = new ArrayList<>(List.of(furtherFlags));
    flags.addAll(List.of("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    List<String> arguments = new ArrayList<>(catalogue.served("catalog"));
    arguments.addAll(List.of("--set", "catalog_log=\"" + log + "\""));
    if (!unpublished) {
      // As many are kept as leave the log what was not looked at yet.
      arguments.addAll(
          List.of(
              "--set",
              "snapshots={store: \"%s\", publish: {keep: 40, changes: %d, busy_share: 1}}"
                  .formatted(snapshots(log), CHANGES_A_SNAPSHOT)));
    }
    return ServerProcess.start(List.of(), flags, "io.espalier.cli.Main", arguments, line -> {});
  }
}

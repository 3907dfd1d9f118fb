package io.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.Cluster;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.ServeConfig;
import io.espalier.cli.cluster.Stage;
import io.espalier.cli.cluster.StageServers;
import io.espalier.cli.show.Terminal;
import io.espalier.router.StageChannels;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.User;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.users.EmbeddedUserStates;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Bundle versions and routes of running servers over TCP, changed by the program's commands. */
class SwitchingTest {
  private static final int ITEMS = 40;
  private static final int SWITCHES = 60;

  private final List<AutoCloseable> open = new ArrayList<>();
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  @TempDir private Path dir = Path.of("");
  private Deployment deployment;
  private StageServers servers;

  @BeforeEach
  void write() throws IOException {
    Path data = Files.createDirectories(dir.resolve("data"));
    Files.write(
        data.resolve("items.jsonl"),
        IntStream.range(0, ITEMS).mapToObj("{\"id\": \"i%d\"}"::formatted).toList());
    String fingerprint = DataFolder.open(data).fingerprint();
    for (int version = 1; version <= 3; version++) {
      // Each version likes other items best.
      int first = version * 10;
      bundle(
          version,
          fingerprint,
          IntStream.range(0, ITEMS)
              .map(rank -> (rank + first) % ITEMS)
              .mapToObj(item -> "i%d\t5\t1".formatted(item))
              .toList());
    }
    Files.createDirectories(dir.resolve("repository/models"));
    Files.createDirectories(dir.resolve("repository/routes"));
    Files.writeString(route(1), yaml(1));
    deployment =
        Deployment.of(BundleRepository.open(dir.resolve("repository")), DataFolder.open(data));
    servers = new StageServers(deployment, dir.resolve("none"));
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private void bundle(int version, String fingerprint, List<String> lines) throws IOException {
    Path folder = Files.createDirectories(dir.resolve("repository/bundles/popular/" + version));
    String text = String.join("\n", lines) + "\n";
    Files.writeString(folder.resolve("popularity.tsv"), text);
    Files.writeString(
        folder.resolve("bundle.yaml"),
        """
        name: popular
        version: %d
        system: Popularity
        shape: encode
        data: {name: test, fingerprint: "%s"}
        licence: Apache-2.0
        files: {popularity: popularity.tsv}
        checksums: {popularity.tsv: %s}
        """
            .formatted(version, fingerprint, sha256(text)));
  }

  private static String sha256(String text) {
    try {
      return "sha256:"
          + HexFormat.of()
              .formatHex(
                  MessageDigest.getInstance("SHA-256")
                      .digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private static String yaml(int version) {
    return """
        name: feed
        kind: feed
        deadline: 30s
        page_size: 10
        sources: [{bundle: popular@%d, k: 40, optional: false}]
        """
        .formatted(version);
  }

  private Path route(int version) {
    return dir.resolve(version == 1 ? "repository/routes/feed.yaml" : "feed-" + version + ".yaml");
  }

  private int run(String... args) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    Terminal terminal = new Terminal(new PrintWriter(out), new PrintWriter(err), 200, false, false);
    int code = Program.commandLine(terminal, new Home(dir)).execute(args);
    terminal.out().flush();
    terminal.err().flush();
    return code;
  }

  private void ok(String... args) {
    assertThat(run(args)).as(out + "\n" + err).isZero();
  }

  /** A retrieval server and a router beside each other; the targets of both. */
  private record Running(
      String retrieval, String router, RouterServiceGrpc.RouterServiceBlockingStub stub) {}

  private Running start(Path recording) throws IOException {
    EspalierServer retrieval = retrieval(ServerConfig.defaults());
    return start(
        retrieval.target(),
        Map.of(
            "server.port",
            "0",
            "recording.folder",
            "\"" + recording + "\"",
            "recording.share",
            "1.0"));
  }

  private EspalierServer retrieval(ServerConfig config) throws IOException {
    EspalierServer retrieval = servers.retrieval(config, null).build().start();
    open.add(retrieval);
    return retrieval;
  }

  private Running start(String retrieval, Map<String, String> settings) throws IOException {
    ManagedChannel stages = ClientChannels.open(retrieval);
    open.add(stages::shutdownNow);
    ServeConfig config =
        ServeConfig.defaults(
                Stage.ROUTER, dir.resolve("repository"), dir.resolve("data"), dir.resolve("none"))
            .with(Map.of("peers.retrieval", "\"" + retrieval + "\""))
            .with(settings);
    EspalierServer router =
        servers
            .router(
                config,
                new StageChannels(stages, stages, stages),
                EmbeddedUserStates.inMemory(100),
                null,
                Caller.plain())
            .build()
            .start();
    open.add(router);
    ManagedChannel channel = ClientChannels.open(router.target());
    open.add(channel::shutdownNow);
    return new Running(retrieval, router.target(), RouterServiceGrpc.newBlockingStub(channel));
  }

  private static ResultPage feed(RouterServiceGrpc.RouterServiceBlockingStub stub, String user) {
    return stub.withDeadlineAfter(60, TimeUnit.SECONDS)
        .recommend(
            RecommendRequest.newBuilder()
                .setUser(User.newBuilder().setId(user))
                .setOptions(ListOptions.getDefaultInstance())
                .build())
        .getPage();
  }

  /** The version of which a page is, whole. */
  private static int version(ResultPage page) {
    assertThat(page.getDegradationsList()).isEmpty();
    assertThat(page.getBundlesList()).hasSize(1);
    int version = page.getBundles(0).getVersion();
    assertThat(page.getItemsList())
        .extracting(ResultItem::getItemId)
        .isEqualTo(IntStream.range(0, 10).mapToObj(n -> "i" + (n + version * 10) % ITEMS).toList());
    return version;
  }

  @Test
  void commands_loadApplyRollbackUnload_switchWhatIsServed() throws IOException {
    Running running = start(dir.resolve("recorded"));
    Files.writeString(route(2), yaml(2));
    assertThat(version(feed(running.stub(), "u"))).isEqualTo(1);
    assertThat(run("routes", "apply", route(2).toString(), "--target", running.router()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString())
        .contains("popular@2: not loaded at retrieval " + running.retrieval());

    ok("bundle", "load", "popular@2", "--target", running.retrieval());
    assertThat(out.toString()).startsWith("popular@2 serves at " + running.retrieval());
    ok("routes", "apply", route(2).toString(), "--target", running.router());
    assertThat(out.toString()).isEqualTo(running.router() + ": revision 2\n");
    assertThat(version(feed(running.stub(), "u"))).isEqualTo(2);

    ok("routes", "rollback", "--target", running.router());
    assertThat(out.toString()).contains("revision 3, the routes of revision 1");
    assertThat(version(feed(running.stub(), "u"))).isEqualTo(1);
    ok("routes", "rollback", "--to", "2", "--target", running.router());
    assertThat(version(feed(running.stub(), "u"))).isEqualTo(2);

    ok("bundles", "unload", "popular@1", "--quiet", "1ms", "--target", running.retrieval());
    ok("bundle", "status", "--target", running.retrieval());
    assertThat(out.toString()).contains("popular@2").doesNotContain("popular@1");
    assertThat(run("routes", "rollback", "--to", "1", "--target", running.router()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(version(feed(running.stub(), "u"))).isEqualTo(2);
    ok("routes", "list", "--target", running.router());
    assertThat(out.toString())
        .contains("revision 4", "popular@2", "applied feed-2.yaml", "the router's files");
  }

  /** What becomes of a page token at a router that did not make it, or has made too many since. */
  @Test
  void feed_furtherPageOfAListThatIsNotThere_saysToBeginAnew() throws IOException {
    Path file = Files.writeString(dir.resolve("key"), "k".repeat(44));
    Map<String, String> settings =
        Map.of(
            "server.port",
            "0",
            "router.page_token_key",
            "{file: \"" + file + "\"}",
            "router.pinned_items",
            "1000");
    String retrieval = retrieval(ServerConfig.defaults()).target();
    Running one = start(retrieval, settings);
    Running two = start(retrieval, settings);
    Running other = start(retrieval, Map.of("server.port", "0"));
    String token = feed(one.stub(), "u").getNextPageToken();

    assertThat(further(one, token).getItemsCount()).isEqualTo(10);
    assertThat(refusal(two, token)).contains("INVALID_ARGUMENT", "expired", "first page again");
    assertThat(refusal(other, token))
        .contains("INVALID_ARGUMENT", "of a router that is gone", "first page again");
    // A thousand items are 24 lists, each with one for itself.
    List<String> tokens =
        IntStream.range(0, 60).mapToObj(n -> feed(one.stub(), "u").getNextPageToken()).toList();
    assertThat(tokens.stream().filter(each -> isKept(one, each))).hasSizeBetween(1, 24);
  }

  private static boolean isKept(Running router, String token) {
    try {
      return further(router, token).getItemsCount() > 0;
    } catch (StatusRuntimeException e) {
      assertThat(e).hasMessageContaining("expired");
      return false;
    }
  }

  private static ResultPage further(Running router, String token) {
    return router
        .stub()
        .withDeadlineAfter(60, TimeUnit.SECONDS)
        .recommend(
            RecommendRequest.newBuilder()
                .setUser(User.newBuilder().setId("u"))
                .setOptions(ListOptions.newBuilder().setPageToken(token))
                .build())
        .getPage();
  }

  private static String refusal(Running router, String token) {
    return String.valueOf(
        catchThrowableOfType(StatusRuntimeException.class, () -> further(router, token))
            .getMessage());
  }

  /** Two replicas of each server, under a list and under a name with an address for each. */
  @Test
  void commands_listOrNameOfReplicas_reachEachOfThem() throws IOException {
    int port = freePort();
    List<String> stages = List.of("127.0.0.1:" + port, "127.0.0.2:" + port);
    retrieval(ServerConfig.defaults().on("127.0.0.1", port));
    retrieval(ServerConfig.defaults().on("127.0.0.2", port));
    String all = "dns:///" + NamesOfTests.TWO + ":" + port;
    int routerPort = freePort();
    start(
        String.join(",", stages),
        Map.of("server.host", "127.0.0.1", "server.port", Integer.toString(routerPort)));
    start(all, Map.of("server.host", "127.0.0.2", "server.port", Integer.toString(routerPort)));
    String routers = NamesOfTests.TWO + ":" + routerPort;
    Files.writeString(route(2), yaml(2));

    // One has it: whichever of them a call would go to, the route is refused.
    ok("bundle", "load", "popular@2", "--target", stages.getFirst());
    for (int router = 1; router <= 2; router++) {
      for (int n = 0; n < 10; n++) {
        assertThat(
                run(
                    "routes",
                    "apply",
                    "--dry-run",
                    route(2).toString(),
                    "--target",
                    "127.0.0.%d:%d".formatted(router, routerPort)))
            .isEqualTo(ExitCode.FAILED);
        assertThat(err.toString())
            .contains("popular@2: not loaded at retrieval " + stages.get(1) + " (expected");
      }
    }
    assertThat(run("routes", "apply", route(2).toString(), "--target", routers))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString()).contains("FAILED_PRECONDITION: 127.0.0.1:" + routerPort + ": ");

    ok("bundle", "load", "popular@2", "--target", all);
    assertThat(out.toString()).contains(stages);
    ok("routes", "apply", route(2).toString(), "--target", routers);
    assertThat(out.toString())
        .isEqualTo("127.0.0.1:%d: revision 2\n127.0.0.2:%<d: revision 2\n".formatted(routerPort));

    assertThat(run("routes", "list", "--target", NamesOfTests.NOBODY + ":1"))
        .isEqualTo(ExitCode.UNREACHABLE);
    assertThat(err.toString()).contains("--target: " + NamesOfTests.NOBODY + ":1: unknown host");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  @Test
  void load_bundlesThatDoNotVerify_areRefusedAndTheOldServesOn() throws IOException {
    Running running = start(dir.resolve("recorded"));
    Path table = dir.resolve("repository/bundles/popular/2/popularity.tsv");
    String sound = Files.readString(table);
    Files.writeString(table, sound.substring(0, sound.length() / 2));
    assertThat(run("bundle", "load", "popular@2", "--target", running.retrieval()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString())
        .contains("FAILED_PRECONDITION: bundle popular@2: popularity.tsv: sha256:");
    Files.delete(table);
    assertThat(run("bundle", "load", "popular@2", "--target", running.retrieval()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString()).contains("popularity: ").contains("(expected: a file)");
    assertThat(run("bundle", "load", "popular@9", "--target", running.retrieval()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString()).contains("NOT_FOUND: bundle popular@9: unknown");
    ok("bundle", "status", "--target", running.retrieval());
    assertThat(out.toString())
        .containsPattern("popular@1 +serving")
        .containsPattern("popular@2 +failed");
    assertThat(version(feed(running.stub(), "u"))).isEqualTo(1);

    Files.writeString(table, sound);
    ok("bundle", "load", "popular@2", "--target", running.retrieval());
    ok("bundle", "status", "--target", running.retrieval());
    assertThat(out.toString()).containsPattern("popular@2 +serving").doesNotContain("failed");
  }

  @Test
  void canary_sharesUsersUntilItIsPromoted() throws IOException {
    Running running = start(dir.resolve("recorded"));
    ok("bundle", "load", "popular@2", "--target", running.retrieval());
    ok("routes", "canary", "feed", "popular@2", "--share", "30", "--target", running.router());
    int[] versions = new int[3];
    for (int n = 0; n < 200; n++) {
      ResultPage page = feed(running.stub(), "user-" + n);
      versions[version(page)]++;
      assertThat(page.getArm()).isEqualTo(version(page) == 2 ? "canary" : "control");
      assertThat(version(feed(running.stub(), "user-" + n))).isEqualTo(version(page));
    }
    assertThat(versions[2]).isBetween(30, 90);
    ok("routes", "promote", "feed", "--target", running.router());
    assertThat(version(feed(running.stub(), "anybody"))).isEqualTo(2);
    ok("routes", "show", "feed", "--target", running.router());
    assertThat(out.toString()).contains("popular@2").doesNotContain("canary");
    assertThat(run("routes", "abort", "feed", "--target", running.router()))
        .isEqualTo(ExitCode.FAILED);
  }

  /** Versions take each other's place while four ask; none fails, none has items of two. */
  @Test
  void switches_underLoad_loseNoRequestAndMixNoList() throws Exception {
    Running running = start(dir.resolve("recorded"));
    Files.writeString(route(2), yaml(2));
    AtomicBoolean done = new AtomicBoolean();
    try (ExecutorService pool = Executors.newFixedThreadPool(4)) {
      List<Future<int[]>> asking = new ArrayList<>();
      for (int thread = 0; thread < 4; thread++) {
        String user = "user-" + thread;
        asking.add(
            pool.submit(
                () -> {
                  int[] versions = new int[3];
                  while (!done.get()) {
                    versions[version(feed(running.stub(), user))]++;
                  }
                  return versions;
                }));
      }
      try {
        for (int n = 0; n < SWITCHES; n++) {
          int next = n % 2 == 0 ? 2 : 1;
          ok("bundle", "load", "popular@" + next, "--target", running.retrieval());
          ok("routes", "apply", route(next).toString(), "--target", running.router());
          ok(
              "bundle",
              "unload",
              "popular@" + (3 - next),
              "--quiet",
              "100ms",
              "--target",
              running.retrieval());
        }
      } finally {
        done.set(true);
      }
      int[] all = new int[3];
      for (Future<int[]> one : asking) {
        int[] versions = one.get(60, TimeUnit.SECONDS);
        all[1] += versions[1];
        all[2] += versions[2];
      }
      System.out.printf("%d switches; answers of version 1: %d, 2: %d%n", SWITCHES, all[1], all[2]);
      assertThat(all[1]).isPositive();
      assertThat(all[2]).isPositive();
    }
  }

  @Test
  void replay_ofTheSameBundle_isIdentical_ofAnotherFailsItsBound() throws IOException {
    Path recorded = dir.resolve("recorded");
    Running running = start(recorded);
    for (int n = 0; n < 30; n++) {
      assertThat(version(feed(running.stub(), "user-" + n))).isEqualTo(1);
    }
    // What is recorded is on its way to the disk for a moment.
    await().atMost(Duration.ofSeconds(60)).until(() -> lines(recorded) == 30);

    ok("replay", recorded.toString(), "--target", running.router(), "--min-overlap", "1");
    assertThat(out.toString()).contains("30 identical, 0 degraded, 0 failed");

    ok("bundle", "load", "popular@2", "--target", running.retrieval());
    ok("routes", "canary", "feed", "popular@2", "--share", "1", "--target", running.router());
    assertThat(
            run(
                "replay",
                recorded.toString(),
                "--limit",
                "30",
                "--arm",
                "canary",
                "--target",
                running.router(),
                "--min-overlap",
                "0.5"))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString()).contains("overlap@10: 0.0000 (expected: >= 0.5000)");
    assertThat(run("replay", recorded.toString(), "--arm", "none", "--target", running.router()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString()).contains("failed: ");
    assertThat(run("replay", dir.resolve("data").toString(), "--target", running.router()))
        .isEqualTo(ExitCode.FAILED);
  }

  private static long lines(Path folder) throws IOException {
    long lines = 0;
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        lines += Files.readAllLines(file).size();
      }
    }
    return lines;
  }

  /** In one process the router's address is that of every stage's bundles. */
  @Test
  void load_intoOneProcess_reachesEveryStageThatTakesIt() {
    Cluster cluster =
        Cluster.listening(
            servers,
            () -> EmbeddedUserStates.inMemory(10),
            new Cluster.Listening(
                ServerConfig.defaults(), ServerConfig.defaults(), dir.resolve("log").toString()));
    open.add(cluster);
    ok("bundle", "load", "popular@3", "--target", cluster.target());
    assertThat(out.toString()).contains("(retrieval)");
    ok("routes", "canary", "feed", "popular@3", "--share", "50", "--target", cluster.target());
    assertThat(
            run("bundle", "load", "popular@3", "--stage", "ranking", "--target", cluster.target()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString()).contains("of system Popularity (expected: one that [ranking] here");
    ok("routes", "abort", "feed", "--target", cluster.target());
    ok("bundle", "unload", "popular@3", "--force", "--target", cluster.target());
  }
}

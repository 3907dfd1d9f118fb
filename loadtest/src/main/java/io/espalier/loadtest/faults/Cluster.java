package io.espalier.loadtest.faults;

import io.espalier.loadtest.faults.Scenario.Deed;
import io.espalier.server.Caller;
import io.espalier.server.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A whole cluster, several replicas of each server, each a process on loopback. */
final class Cluster implements AutoCloseable {
  static final String ROUTER = "router";
  static final String REDIS = "redis";
  static final String KAFKA = "kafka";
  static final String CATALOG = "catalog";
  static final String INFERENCE = "inference";
  static final Map<String, Integer> REPLICAS =
      Map.of(ROUTER, 2, "rewrite", 2, "retrieval", 2, "ranking", 2);

  private static final List<String> STAGES = List.of("rewrite", "retrieval", "ranking");
  private static final String PROGRAM = "io.espalier.cli.Main";
  private static final String DISK_SIZE = "16m";
  private static final String CALLERS = "callers";

  private final Scenario scenario;
  private final Setup setup;
  private final Path folder;
  private final Map<String, Member> members = new LinkedHashMap<>();
  private final Map<String, Link> links = new LinkedHashMap<>();
  private final List<AutoCloseable> open = new ArrayList<>();
  private @Nullable Path disk;
  private @Nullable Certificates certificates;
  private Caller caller = Caller.plain();

  /**
   * What every server is started with.
   *
   * @param cpu the processors that the servers keep to, as {@code taskset} takes them; empty for
   *     all
   * @param heap of each, as {@code -Xmx} takes it
   * @param instant whether the stages answer at once with what was made beforehand
   * @param clock a library that fakes the clock; need not be there
   * @param kafka a file with the class path of a broker; need not be there
   */
  record Setup(
      Path data,
      Path modelRepo,
      String cpu,
      String heap,
      boolean instant,
      Path clock,
      Path kafka,
      long seed) {}

  private Cluster(Scenario scenario, Setup setup, Path folder) {
    this.scenario = scenario;
    this.setup = setup;
    this.folder = folder;
  }

  /** Starts what a scenario needs, and returns once all of it serves. */
  static Cluster start(Scenario scenario, Setup setup, Path folder)
      throws IOException, InterruptedException {
    Cluster cluster = new Cluster(scenario, setup, Files.createDirectories(folder));
    try {
      cluster.start();
      return cluster;
    } catch (IOException | InterruptedException | RuntimeException e) {
      cluster.close();
      throw e;
    }
  }

  private void start() throws IOException, InterruptedException {
    if (setup.instant() && scenario.wantsStages()) {
      throw new ConfigException(
          "certificates: %s, replicas: %s (expected: no certificates and no inference with --instant)"
              .formatted(scenario.certificates(), scenario.replicas()));
    }
    if (scenario.has(Deed.FILL)) {
      disk = mount();
    }
    if (scenario.certificates()) {
      certificates = new Certificates(Files.createTempDirectory(folder, "tls-"));
      certificates.give(CALLERS, certificates.lasting());
      caller = Caller.open(certificates.caller(CALLERS));
      open.add(caller);
    }
    if (scenario.redis()) {
      startRedis();
    }
    if (scenario.catalogue() == Scenario.Log.KAFKA) {
      startKafka();
    }
    for (int i = 1; hasEngines() && i <= count(INFERENCE); i++) {
      begin(INFERENCE, i);
    }
    if (scenario.catalogue() != null) {
      begin(CATALOG, 1);
    }
    for (String stage : STAGES) {
      for (int i = 1; i <= count(stage); i++) {
        begin(stage, i);
      }
    }
    for (Member member : members.values()) {
      member.awaitServing();
    }
    for (int i = 1; i <= count(ROUTER); i++) {
      begin(ROUTER, i);
    }
    for (Member router : of(ROUTER)) {
      router.awaitServing();
    }
  }

  private boolean hasEngines() {
    return scenario.replicas().containsKey(INFERENCE);
  }

  private int count(String stage) {
    return scenario.replicas().getOrDefault(stage, REPLICAS.getOrDefault(stage, 1));
  }

  private void begin(String stage, int number) throws IOException {
    String name = stage + "-" + number;
    int port = Member.freePort();
    Member member = new Member(name, port, how(name, stage, port), folder);
    open.add(member);
    members.put(name, member);
    if (scenario.links().contains(name)) {
      Link link = new Link(port, setup.seed());
      open.add(link);
      links.put(name, link);
    }
    member.begin(member.start());
  }

  private Member.Start how(String name, String stage, int port) throws IOException {
    List<String> prefix = new ArrayList<>();
    if (!setup.cpu().isEmpty()) {
      prefix.addAll(List.of("taskset", "-c", setup.cpu()));
    }
    if (jumps(name)) {
      if (!Files.isRegularFile(setup.clock())) {
        throw new ConfigException(
            "libfaketime: not installed (expected: as loadtest/faults-tools.sh installs it)");
      }
      Files.writeString(clock(name), "+0\n");
      prefix.addAll(
          List.of(
              "env",
              "LD_PRELOAD=" + setup.clock(),
              "FAKETIME_TIMESTAMP_FILE=" + clock(name),
              "FAKETIME_CACHE_DURATION=1",
              "FAKETIME_DONT_FAKE_MONOTONIC=1"));
    }
    List<String> flags =
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "-XX:+UseCompactObjectHeaders",
            "-Xmx" + setup.heap());
    List<String> arguments = new ArrayList<>();
    boolean instant = setup.instant() && !stage.equals(ROUTER);
    if (!instant) {
      arguments.addAll(
          List.of(
              "serve",
              stage,
              "--data",
              setup.data().toString(),
              "--model-repo",
              setup.modelRepo().toString()));
    }
    arguments.addAll(List.of("--port", Integer.toString(port)));
    if (stage.equals(ROUTER)) {
      for (String peer : STAGES) {
        arguments.addAll(List.of("--peer", peer + "=" + targets(peer)));
      }
      if (scenario.redis()) {
        arguments.addAll(List.of("--set", "state=\"redis://" + targets(REDIS) + "/0\""));
      }
    }
    if (hasEngines() && !List.of(ROUTER, INFERENCE).contains(stage)) {
      arguments.addAll(List.of("--engine", targets(INFERENCE)));
    }
    Certificates issuer = certificates;
    if (issuer != null) {
      issuer.give(name, issuer.lasting());
      for (String end : List.of("server", "calls", "engine.calls")) {
        arguments.addAll(issuer.settings(end, name));
      }
    }
    if (scenario.catalogue() != null && (stage.equals(ROUTER) || stage.equals("retrieval"))) {
      arguments.addAll(List.of("--peer", CATALOG + "=" + targets(CATALOG)));
    }
    if (stage.equals(CATALOG)) {
      arguments.addAll(
          List.of(
              "--catalog-log",
              scenario.catalogue() == Scenario.Log.KAFKA
                  ? "kafka://" + targets(KAFKA) + "/catalogue-" + System.currentTimeMillis()
                  : Files.createTempDirectory(folder, "log-").toString()));
    }
    if (!instant) {
      scenario
          .settings()
          .getOrDefault(stage, Map.of())
          .forEach(
              (key, value) ->
                  arguments.addAll(
                      List.of("--set", key + "=" + value.replace("{disk}", disk(name)))));
    }
    return new Member.Start(
        prefix, flags, instant ? StageDoubles.class.getName() : PROGRAM, arguments);
  }

  private boolean jumps(String name) {
    return scenario.steps().stream()
        .filter(step -> step.deed() == Deed.JUMP)
        .anyMatch(step -> step.on().contains(name));
  }

  /** Where the routers find a stage. */
  private String targets(String stage) {
    return of(stage).stream()
        .map(
            member -> {
              Link link = links.get(member.name());
              return link == null ? member.target() : link.target();
            })
        .collect(Collectors.joining(","));
  }

  private void startRedis() throws IOException, InterruptedException {
    int port = Member.freePort();
    Path data = Files.createDirectories(folder.resolve("redis-data"));
    Member redis =
        new Member(
            REDIS + "-1",
            port,
            new Member.Start(
                List.of(),
                List.of(),
                "",
                List.of(
                    "redis-server",
                    "--port",
                    Integer.toString(port),
                    "--bind",
                    "127.0.0.1",
                    "--dir",
                    data.toString(),
                    "--save",
                    "",
                    "--appendonly",
                    "yes")),
            folder);
    open.add(redis);
    members.put(redis.name(), redis);
    redis.startAgain();
  }

  /** A broker that is its own controller; as the tests of stores-kafka start it. */
  private void startKafka() throws IOException, InterruptedException {
    if (!Files.isRegularFile(setup.kafka())) {
      throw new ConfigException(
          "%s: not there (expected: as loadtest/faults.sh makes it)".formatted(setup.kafka()));
    }
    int port = Member.freePort();
    int controller = Member.freePort();
    Path data = Files.createTempDirectory(folder, "kafka-");
    Path configuration = data.resolve("server.properties");
    Files.writeString(
        configuration,
        """
        process.roles=broker,controller
        node.id=1
        broker.heartbeat.interval.ms=200
        broker.session.timeout.ms=1000
        controller.quorum.voters=1@127.0.0.1:%1$d
        controller.listener.names=CONTROLLER
        listeners=PLAIN://127.0.0.1:%2$d,CONTROLLER://127.0.0.1:%1$d
        inter.broker.listener.name=PLAIN
        listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
        log.dirs=%3$s
        offsets.topic.replication.factor=1
        offsets.topic.num.partitions=1
        transaction.state.log.replication.factor=1
        transaction.state.log.num.partitions=1
        transaction.state.log.min.isr=1
        """
            .formatted(controller, port, data.resolve("data")));
    List<String> java =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-cp",
            Files.readString(setup.kafka()).strip());
    List<String> format = new ArrayList<>(java);
    format.addAll(
        List.of("kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c"));
    format.add(configuration.toString());
    Path log = folder.resolve("kafka-format.log");
    int formatted =
        new ProcessBuilder(format)
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start()
            .waitFor();
    if (formatted != 0) {
      throw new IOException("kafka: not formatted; " + log + " says why");
    }
    List<String> broker = new ArrayList<>(java);
    broker.addAll(List.of("kafka.Kafka", configuration.toString()));
    Member kafka =
        new Member(KAFKA + "-1", port, new Member.Start(List.of(), List.of(), "", broker), folder);
    open.add(kafka);
    members.put(kafka.name(), kafka);
    kafka.startAgain();
  }

  /** Where the catalogue's writer is; empty where the scenario has none. */
  String writer() {
    return targets(CATALOG);
  }

  /** A disk of its own, so small that it can be filled. */
  private Path mount() throws IOException, InterruptedException {
    Path place = Files.createDirectories(folder.resolve("disk"));
    int code =
        new ProcessBuilder(
                "mount", "-t", "tmpfs", "-o", "size=" + DISK_SIZE, "tmpfs", place.toString())
            .inheritIO()
            .start()
            .waitFor();
    if (code != 0) {
      throw new ConfigException(
          "%s: mount ended with %d (expected: the right to mount a small disk)"
              .formatted(place, code));
    }
    open.addFirst(
        () -> new ProcessBuilder("umount", place.toString()).inheritIO().start().waitFor());
    return place;
  }

  /** A folder of one member's on the small disk. */
  private String disk(String name) {
    return disk == null ? folder.resolve(name).toString() : disk.resolve(name).toString();
  }

  /** The small disk. */
  Path disk() {
    if (disk == null) {
      throw new IllegalStateException("no disk of its own");
    }
    return disk;
  }

  /** The file that says how far a member's clock is off. */
  Path clock(String name) {
    return folder.resolve(name + ".clock");
  }

  Path folder() {
    return folder;
  }

  Setup setup() {
    return setup;
  }

  /** What signs the servers' certificates. */
  Certificates certificates() {
    if (certificates == null) {
      throw new ConfigException("certificates: false (expected: true where one expires)");
    }
    return certificates;
  }

  /** Who calls from outside. */
  Caller caller() {
    return caller;
  }

  /** Where callers find the routers. */
  String routers() {
    return targets(ROUTER);
  }

  /** The members that a scenario names: one by its name, those of a stage, or all servers. */
  List<Member> named(List<String> names) {
    List<Member> named = new ArrayList<>();
    for (String name : names) {
      List<Member> found =
          members.values().stream()
              .filter(
                  member ->
                      name.equals("all")
                          ? !List.of(REDIS, KAFKA).contains(member.stage())
                          : member.name().equals(name) || member.stage().equals(name))
              .toList();
      if (found.isEmpty()) {
        throw new ConfigException(
            "on: %s (expected: all, or one of %s)".formatted(name, members.keySet()));
      }
      named.addAll(found);
    }
    return named;
  }

  private List<Member> of(String stage) {
    return members.values().stream().filter(member -> member.stage().equals(stage)).toList();
  }

  Link link(Member member) {
    Link link = links.get(member.name());
    if (link == null) {
      throw new ConfigException(
          "links: %s is not there (expected: each member whose link is disturbed)"
              .formatted(member.name()));
    }
    return link;
  }

  /** Members that should run and do not. */
  List<String> dead() {
    return members.values().stream().filter(member -> !member.isAlive()).map(Member::name).toList();
  }

  @Override
  public void close() {
    // The routers first: they would complain.
    for (AutoCloseable one : open.reversed()) {
      try {
        one.close();
      } catch (Exception e) {
        throw new IllegalStateException("a server could not be ended", e);
      }
    }
  }
}

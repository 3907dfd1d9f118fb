package io.espalier.loadtest.live;

import io.espalier.loadtest.driver.GrpcTarget;
import io.espalier.loadtest.process.ServerProcess;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A catalogue's writer and a retrieval server that follows it, as processes. */
final class LiveServers implements AutoCloseable {
  private static final String PROGRAM = "io.espalier.cli.Main";
  private static final String LOGGED = "-Dorg.slf4j.simpleLogger.log.io.espalier.";

  // A driver that waits for a core which publishes a snapshot would send late.
  private static final List<String> YIELDING = List.of("nice", "-n", "10");

  private static final int CONNECTIONS = 4;

  private final List<AutoCloseable> open = new ArrayList<>();
  private final Map<String, ServerProcess> processes = new LinkedHashMap<>();
  private final LiveOptions options;
  private final String snapshots;
  private final ServerProcess writer;
  private final ServerProcess retrieval;
  private @Nullable ServerProcess router;

  /**
   * Starts both.
   *
   * @param folder the writer's log and its snapshots go to new folders in it
   * @param publish whether snapshots are published; else the server makes its own
   * @param options processor and heap of those that answer
   * @param lines is told of each line that the retrieval server prints
   */
  LiveServers(
      SyntheticCatalogue catalogue,
      Path folder,
      boolean publish,
      LiveOptions options,
      Consumer<String> lines)
      throws IOException, InterruptedException {
    this.options = options;
    try {
      Path log = Files.createTempDirectory(Files.createDirectories(folder), "log-");
      snapshots = publish ? Files.createTempDirectory(folder, "snapshots-").toString() : "";
      writer =
          start(yielding(), "2g", catalogue, "catalog", "catalog_log=\"" + log + "\"", line -> {});
      retrieval =
          start(
              answering(),
              options.serverHeap,
              catalogue,
              "retrieval",
              "peers.catalog=\"" + writer.target() + "\"",
              lines);
      retrieval.target();
    } catch (IOException | InterruptedException | RuntimeException e) {
      close();
      throw e;
    }
  }

  private List<String> yielding() {
    List<String> prefix = new ArrayList<>(ServerProcess.beside(options.serverCpu));
    prefix.addAll(YIELDING);
    return prefix;
  }

  private List<String> answering() {
    return options.serverCpu.isEmpty() ? List.of() : List.of("taskset", "-c", options.serverCpu);
  }

  private ServerProcess start(
      List<String> prefix,
      String heap,
      SyntheticCatalogue catalogue,
      String stage,
      String setting,
      Consumer<String> lines)
      throws IOException {
    List<String> flags =
        new ArrayList<>(
            List.of(
                "--enable-native-access=ALL-UNNAMED",
                // A heap that still grows collects the more, and says nothing of memory.
                "-Xms" + heap,
                "-Xmx" + heap,
                "-XX:+AlwaysPreTouch",
                LOGGED + "retrieval.Catalogue=info",
                LOGGED + "catalog.CatalogFollower=info",
                LOGGED + "bundles.BundleSwitch=info"));
    if (options.nativeMemory) {
      flags.add("-XX:NativeMemoryTracking=summary");
    }
    List<String> arguments = new ArrayList<>(catalogue.served(stage));
    arguments.addAll(
        List.of(
            "--set",
            setting,
            // One stream of changes lasts as long as the run.
            "--set",
            "server.max_connection_age=\"24h\"",
            "--set",
            "snapshots.store=\"" + snapshots + "\""));
    ServerProcess process = ServerProcess.start(prefix, flags, PROGRAM, arguments, lines);
    open.add(process);
    processes.put(stage, process);
    return process;
  }

  /** The processes by stage. */
  Map<String, ServerProcess> processes() {
    return processes;
  }

  /** Starts a router over the retrieval server; the only one. */
  void startRouter(SyntheticCatalogue catalogue) throws IOException, InterruptedException {
    router =
        start(
            answering(),
            "1g",
            catalogue,
            "router",
            "peers.retrieval=\"" + retrieval.target() + "\"",
            line -> {});
    router.target();
  }

  /** Questions of the options' items to the router, over some connections. */
  GrpcTarget<RecommendRequest, RecommendResponse> recommendations(
      GrpcTarget.Judge<RecommendRequest, RecommendResponse> judge)
      throws IOException, InterruptedException {
    return new GrpcTarget<>(
        channels(Objects.requireNonNull(router, "router").target()),
        RouterServiceGrpc.getRecommendMethod(),
        options.deadline(),
        new Questions(options.items, options.seed)::routed,
        judge);
  }

  /** The same to the retrieval server. */
  GrpcTarget<RetrieveRequest, RetrieveResponse> retrievals(
      GrpcTarget.Judge<RetrieveRequest, RetrieveResponse> judge)
      throws IOException, InterruptedException {
    return new GrpcTarget<>(
        channels(retrieval.target()),
        RetrievalServiceGrpc.getRetrieveMethod(),
        options.deadline(),
        new Questions(options.items, options.seed)::get,
        judge);
  }

  private List<ManagedChannel> channels(String target) {
    return Stream.generate(() -> channel(target)).limit(CONNECTIONS).toList();
  }

  /** A channel to the router, closed with this. */
  ManagedChannel toRouter() throws IOException, InterruptedException {
    return channel(Objects.requireNonNull(router, "router").target());
  }

  /** A channel to the writer, closed with this. */
  ManagedChannel toWriter() throws IOException, InterruptedException {
    return channel(writer.target());
  }

  /** A channel to the retrieval server, closed with this. */
  ManagedChannel toRetrieval() throws IOException, InterruptedException {
    return channel(retrieval.target());
  }

  private ManagedChannel channel(String target) {
    ManagedChannel channel = ClientChannels.open(target);
    open.add(channel::shutdownNow);
    return channel;
  }

  @Override
  public void close() {
    for (AutoCloseable one : open.reversed()) {
      try {
        one.close();
      } catch (Exception e) {
        throw new IllegalStateException("a server could not be ended", e);
      }
    }
  }
}

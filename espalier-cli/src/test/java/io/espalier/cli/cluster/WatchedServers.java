package io.espalier.cli.cluster;

import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.context.Scope;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/**
 * The built-in shop's four servers as processes of their own, which tell of what they do, under
 * routes without budgets; and a caller.
 */
final class WatchedServers implements AutoCloseable {
  static final List<String> STAGES = List.of("rewrite", "retrieval", "ranking");
  static final List<String> ALL = List.of("rewrite", "retrieval", "ranking", "router");

  private final Map<String, ServerProcess> processes = new LinkedHashMap<>();
  private final ManagedChannel channel;
  private final OpenTelemetry telemetry;
  private final DataFolder data;

  /**
   * Starts them and waits until they answer.
   *
   * @param directory an empty one for what they need
   * @param settings of each server's telemetry, {@code key=value}
   * @param telemetry of the caller
   */
  WatchedServers(Path directory, List<String> settings, OpenTelemetry telemetry) throws Exception {
    this.telemetry = telemetry;
    Path shop = BuiltInShop.folder(Monitoring.ROOT);
    data = DataFolder.open(shop);
    Path repository = BuiltInShop.patientRepository(Monitoring.ROOT, directory);
    try {
      for (String server : ALL) {
        List<String> arguments = new ArrayList<>(List.of("serve", server, "--port", "0"));
        arguments.addAll(List.of("--data", shop.toString(), "--model-repo", repository.toString()));
        arguments.addAll(List.of("--set", "rewrite_model_budget=60s"));
        settings.forEach(setting -> arguments.addAll(List.of("--set", "telemetry." + setting)));
        if (server.equals("router")) {
          for (String stage : STAGES) {
            arguments.addAll(List.of("--peer", stage + "=" + process(stage).target()));
          }
        }
        processes.put(server, ServerProcess.start(Monitoring.ROOT, arguments));
      }
      channel = ClientChannels.open(process("router").target(), Caller.plain(), 4 << 20, telemetry);
    } catch (Exception e) {
      stop();
      throw e;
    }
  }

  ServerProcess process(String server) {
    return Objects.requireNonNull(processes.get(server), server);
  }

  /** Asks for a feed and a search in one trace of the caller's; its id. */
  String ask() {
    Span caller = telemetry.getTracer("test").spanBuilder("caller").startSpan();
    try (Scope _ = caller.makeCurrent()) {
      RouterServiceBlockingStub router =
          RouterServiceGrpc.newBlockingStub(channel).withDeadlineAfter(60, TimeUnit.SECONDS);
      String user = data.sequences().getFirst().user();
      answered(
          router
              .recommend(
                  RecommendRequest.newBuilder().setUser(User.newBuilder().setId(user)).build())
              .getPage());
      String logged = data.queries().getFirst().query();
      // The rewriter's table has what was logged: of this its model is asked.
      String query = logged + " " + logged;
      answered(router.search(SearchRequest.newBuilder().setQuery(query).build()).getPage());
    } finally {
      caller.end();
    }
    return caller.getSpanContext().getTraceId();
  }

  private static void answered(ResultPage page) {
    if (page.getItemsCount() == 0) {
      throw new AssertionError("no items: " + page);
    }
  }

  private void stop() throws InterruptedException {
    for (ServerProcess process : processes.values()) {
      process.close();
    }
  }

  @Override
  public void close() throws InterruptedException {
    channel.shutdownNow();
    stop();
  }
}

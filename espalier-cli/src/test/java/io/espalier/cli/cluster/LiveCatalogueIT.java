package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogClient;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.server.ClientChannels;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A catalogue's writer and a retrieval server as processes; either is killed, nothing is lost. */
class LiveCatalogueIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));

  private final List<AutoCloseable> open = new ArrayList<>();
  @TempDir private Path directory = Path.of("");
  private DataFolder folder;
  private int port;
  private ServerProcess catalog;
  private ServerProcess retrieval;

  @BeforeEach
  void start() throws Exception {
    Path data = BuiltInShop.folder(ROOT);
    folder = DataFolder.open(data);
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    catalog = startCatalog();
    retrieval = startRetrieval();
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  @Test
  void changes_surviveTheDeathOfEitherSide() throws Exception {
    RetrieveResponse before = retrieve(0);
    assertThat(before.getCatalogOffset()).isEqualTo(folder.items().size());
    String best = before.getCandidates(0).getItemId();
    String second = before.getCandidates(1).getItemId();

    long removed = send(new CatalogChange.Removal(best));
    assertThat(items(retrieve(removed))).doesNotContain(best).startsWith(second);

    catalog.kill();
    // What was followed is still served while the writer is away.
    assertThat(items(retrieve(removed))).startsWith(second);
    assertThatThrownBy(() -> send(new CatalogChange.Removal(second)))
        .isInstanceOf(StatusException.class);
    catalog = startCatalog();
    long back = send(new CatalogChange.Upsert(item(best), Map.of()));
    assertThat(back).isEqualTo(removed + 1);
    assertThat(items(retrieve(back))).startsWith(best, second);

    long gone = send(new CatalogChange.Removal(second));
    retrieval.kill();
    retrieval = startRetrieval();
    assertThat(items(retrieve(gone))).startsWith(best).doesNotContain(second);
  }

  @Test
  void retrieve_offsetThatNobodyWrote_isRefusedInTime() {
    assertThatThrownBy(() -> retrieve(folder.items().size() + 3L))
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION));
  }

  private CatalogItem item(String id) {
    return folder.item(id).orElseThrow();
  }

  private long send(CatalogChange change) throws Exception {
    ManagedChannel channel = ClientChannels.open(catalog.target());
    try {
      return new CatalogClient(channel).send(List.of(change)).lastOffset();
    } finally {
      channel.shutdownNow();
    }
  }

  private RetrieveResponse retrieve(long minOffset) throws Exception {
    ManagedChannel channel = ClientChannels.open(retrieval.target());
    try {
      RetrievalServiceBlockingStub stub = RetrievalServiceGrpc.newBlockingStub(channel);
      return stub.withWaitForReady()
          .withDeadlineAfter(20, TimeUnit.SECONDS)
          .retrieve(
              RetrieveRequest.newBuilder()
                  .setBundle("shop-tiger")
                  .setBundleVersion(1)
                  .setK(20)
                  .addAllHistory(history())
                  .setMinCatalogOffset(minOffset)
                  .build());
    } finally {
      channel.shutdownNow();
    }
  }

  private List<String> history() {
    return Arrays.stream(folder.sequences().getFirst().items())
        .mapToObj(number -> folder.item(number).id())
        .toList();
  }

  private static List<String> items(RetrieveResponse response) {
    return response.getCandidatesList().stream().map(Candidate::getItemId).toList();
  }

  private ServerProcess startCatalog() throws Exception {
    return start("catalog", port, "--set", "catalog_log=\"" + directory.resolve("log") + "\"");
  }

  private ServerProcess startRetrieval() throws Exception {
    return start("retrieval", 0, "--peer", "catalog=127.0.0.1:" + port);
  }

  private ServerProcess start(String stage, int at, String... more) throws Exception {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "serve",
                stage,
                "--port",
                Integer.toString(at),
                "--data",
                folder.directory().toString(),
                "--model-repo",
                ROOT.resolve("model-repo").toString()));
    arguments.addAll(List.of(more));
    ServerProcess process = ServerProcess.start(ROOT, arguments);
    open.add(process);
    assertThat(process.target()).isNotEmpty();
    return process;
  }
}

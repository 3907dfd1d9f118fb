package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogClient;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;
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
import java.util.OptionalDouble;
import java.util.OptionalLong;
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
  void upsert_textThatNobodySaw_isRecommendedAtOnceUntilItIsRemoved() throws Exception {
    CatalogItem kettle = novelty("kettle", "Folding kettle for two, matt blue");
    long start = System.nanoTime();
    long offset = send(new CatalogChange.Upsert(kettle, Map.of()));
    RetrieveResponse only = retrieve(offset, "kettle");
    System.out.printf(
        "a new item was returned %d ms after its upsert began%n",
        TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    assertThat(items(only)).containsExactly("kettle");

    // Restarts change no id, and give its code to nobody else.
    catalog.kill();
    catalog = startCatalog();
    long twin =
        send(
            new CatalogChange.Upsert(
                novelty("twin", "Folding kettle for two, matt blue"), Map.of()));
    RetrieveResponse both = retrieve(twin, "kettle", "twin");
    assertThat(items(both)).containsExactlyInAnyOrder("kettle", "twin");
    assertThat(codes(both, "kettle")).isEqualTo(codes(only, "kettle"));
    assertThat(codes(both, "twin"))
        .isNotEqualTo(codes(both, "kettle"))
        .startsWith(codes(both, "kettle").subList(0, 2).toArray(Integer[]::new));

    long removed = send(new CatalogChange.Removal("kettle"));
    assertThat(items(retrieve(removed, "kettle", "twin"))).containsExactly("twin");
    assertThat(items(retrieve(removed))).doesNotContain("kettle");
  }

  private static CatalogItem novelty(String id, String title) {
    return new CatalogItem(
        id, title, "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }

  private static List<Integer> codes(RetrieveResponse response, String id) {
    return response.getCandidatesList().stream()
        .filter(candidate -> candidate.getItemId().equals(id))
        .findFirst()
        .orElseThrow()
        .getSemanticIdList();
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

  /**
   * Asks the source.
   *
   * @param only the items that may be returned; any where none is named
   */
  private RetrieveResponse retrieve(long minOffset, String... only) throws Exception {
    ManagedChannel channel = ClientChannels.open(retrieval.target());
    try {
      RetrievalServiceBlockingStub stub = RetrievalServiceGrpc.newBlockingStub(channel);
      RetrieveRequest.Builder request =
          RetrieveRequest.newBuilder()
              .setBundle("shop-tiger")
              .setBundleVersion(1)
              .setK(20)
              .addAllHistory(history())
              .setMinCatalogOffset(minOffset);
      if (only.length > 0) {
        request.setFilter(
            Filter.newBuilder().setIds(ItemIds.newBuilder().addAllIds(List.of(only))));
      }
      return stub.withWaitForReady()
          .withDeadlineAfter(20, TimeUnit.SECONDS)
          .retrieve(request.build());
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

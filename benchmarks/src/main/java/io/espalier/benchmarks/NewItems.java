package io.espalier.benchmarks;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogClient;
import io.espalier.catalog.CatalogComponent;
import io.espalier.catalog.v1.BundleDrift;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.DriftRequest;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.retrieval.RetrievalComponent;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.UserSequence;
import io.espalier.stores.log.FileLog;
import io.espalier.stores.log.RecordLog;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;

/**
 * New items over gRPC: how soon one can be recommended, and how often one is.
 *
 * <p>The items are those that the bundle's {@code assign} never learnt from, under new ids, with
 * their text alone; for the second part the originals are taken out first. Their codes are never
 * given again, so a new item does not inherit what the decoder learnt of the original.
 *
 * <p>{@code NewItems MODEL_REPO DATA BUNDLE [ITEMS]}: items to time, 200 unless given.
 */
public final class NewItems implements AutoCloseable {
  private static final int WIDE = 50;
  private static final int BATCH = 4000;

  private final Deque<AutoCloseable> open = new ArrayDeque<>();
  private final DataFolder data;
  private final BundleId bundle;
  private final Set<String> heldOut;
  private final CatalogClient catalog;
  private final CatalogServiceGrpc.CatalogServiceBlockingStub drift;
  private final RetrievalServiceGrpc.RetrievalServiceBlockingStub retrieval;

  private NewItems(Path models, Path folder, BundleId bundle) throws Exception {
    this.bundle = bundle;
    this.data = DataFolder.open(folder);
    BundleRepository repository = BundleRepository.open(models);
    repository.get(bundle).verify();
    heldOut = new HashSet<>(Files.readAllLines(repository.get(bundle).file("assign_held_out")));
    List<BundleId> bundles = List.of(bundle);
    EmbeddedModelRunner runner = opened(new EmbeddedModelRunner(repository.models()));
    RetrievalComponent.models(repository, bundles).forEach(runner::load);
    Path directory = Files.createTempDirectory("new-items");
    RecordLog log = opened(FileLog.open(directory, data.items().size() + 1L));
    CatalogComponent writer =
        opened(
            CatalogComponent.start(
                repository, bundles, log, runner, OpenTelemetry.noop().getMeter("new-items")));
    ManagedChannel toCatalog = serve(writer.install(builder("catalog")));
    RetrievalComponent searched =
        opened(RetrievalComponent.open(repository, bundles, data, runner));
    searched.follow(toCatalog);
    ManagedChannel toRetrieval = serve(builder("retrieval").service(searched.service()));
    while (!searched.hasCaughtUp()) {
      Thread.sleep(10);
    }
    catalog = new CatalogClient(toCatalog);
    drift = CatalogServiceGrpc.newBlockingStub(toCatalog);
    retrieval = RetrievalServiceGrpc.newBlockingStub(toRetrieval);
  }

  private <T extends AutoCloseable> T opened(T part) {
    open.push(part);
    return part;
  }

  private static EspalierServer.Builder builder(String name) {
    return EspalierServer.builder(name, ServerConfig.defaults().on("127.0.0.1", 0));
  }

  private ManagedChannel serve(EspalierServer.Builder builder) throws Exception {
    EspalierServer server = opened(builder.build());
    server.start();
    ManagedChannel channel = ClientChannels.open(server.target());
    open.push(channel::shutdownNow);
    return channel;
  }

  public static void main(String[] args) throws Exception {
    if (args.length < 3 || args.length > 4) {
      throw new IllegalArgumentException(
          Arrays.toString(args) + " (expected: MODEL_REPO DATA BUNDLE [ITEMS])");
    }
    try (NewItems run = new NewItems(Path.of(args[0]), Path.of(args[1]), BundleId.parse(args[2]))) {
      run.timed(args.length == 4 ? Integer.parseInt(args[3]) : 200);
      run.batched();
      run.reached();
    }
  }

  /** One item at a time, from its upsert to its return by the source with an allow-list of it. */
  private void timed(int count) throws Exception {
    List<CatalogItem> items = new ArrayList<>();
    for (int i = 0; items.size() < 2 * count; i++) {
      items.add(renamed(data.item(i % data.items().size()), "timed-" + i));
    }
    List<String> history = history(data.sequences().getFirst(), 1);
    Histogram times = new Histogram(3);
    int missing = 0;
    for (int i = 0; i < items.size(); i++) {
      String id = items.get(i).id();
      long start = System.nanoTime();
      long offset =
          catalog.send(List.of(new CatalogChange.Upsert(items.get(i), Map.of()))).lastOffset();
      RetrieveResponse response =
          retrieve(
              request(history)
                  .setMinCatalogOffset(offset)
                  .setFilter(Filter.newBuilder().setIds(ItemIds.newBuilder().addIds(id)))
                  .build());
      boolean returned = ids(response).equals(List.of(id));
      if (i >= count) {
        times.recordValue(System.nanoTime() - start);
        missing += returned ? 0 : 1;
      }
    }
    System.out.printf(
        "%d new items, upsert to returned under an allow-list of the item: p50 %.1f ms, p99 %.1f"
            + " ms, most %.1f ms; %d not returned (their text says nothing)%n",
        count,
        times.getValueAtPercentile(50) / 1e6,
        times.getValueAtPercentile(99) / 1e6,
        times.getMaxValue() / 1e6,
        missing);
    remove(items.stream().map(CatalogItem::id).toList());
  }

  /** Many at once. */
  private void batched() throws Exception {
    for (int round = 0; round < 3; round++) {
      List<CatalogItem> items = new ArrayList<>();
      for (int i = 0; i < BATCH; i++) {
        items.add(renamed(data.item(i % data.items().size()), "batch-" + i));
      }
      long start = System.nanoTime();
      upsert(items);
      double seconds = (System.nanoTime() - start) / 1e9;
      System.out.printf(
          "%d new items in one stream: %.0f items/s durable with their ids%n",
          BATCH, BATCH / seconds);
      remove(items.stream().map(CatalogItem::id).toList());
    }
  }

  /** How often the source returns users' last items, those of new items beside the others. */
  private void reached() throws Exception {
    Map<String, Integer> trainings = new HashMap<>();
    for (UserSequence sequence : data.sequences()) {
      for (int number : sequence.first(Math.max(0, sequence.length() - 2))) {
        trainings.merge(data.item(number).id(), 1, Integer::sum);
      }
    }
    Map<String, List<UserSequence>> users = new HashMap<>();
    int others = 0;
    for (UserSequence sequence : data.sequences()) {
      String target = data.item(sequence.item(sequence.length() - 1)).id();
      if (sequence.length() < 3) {
        continue;
      }
      if (!heldOut.contains(target)) {
        if (others++ % 10 == 0) {
          users.computeIfAbsent("trained items", k -> new ArrayList<>()).add(sequence);
        }
      } else {
        String kind =
            trainings.getOrDefault(target, 0) <= 1
                ? "items that the decoder hardly saw"
                : "items that the decoder saw";
        users.computeIfAbsent(kind, k -> new ArrayList<>()).add(sequence);
      }
    }
    print("under their trained ids", users, false);
    remove(List.copyOf(heldOut));
    upsert(
        data.items().stream()
            .filter(item -> heldOut.contains(item.id()))
            .map(item -> renamed(item, "new-" + item.id()))
            .toList());
    print("upserted as new, with their text alone", users, true);
    for (BundleDrift of : drift.drift(DriftRequest.getDefaultInstance()).getBundlesList()) {
      System.out.printf("drift of %d new items: %.3f%n", of.getItems(), of.getIndex());
    }
  }

  private void print(String title, Map<String, List<UserSequence>> users, boolean renamed) {
    System.out.println(title + ":");
    users.forEach(
        (kind, sequences) -> {
          int ten = 0;
          int wide = 0;
          for (UserSequence sequence : sequences) {
            String target = data.item(sequence.item(sequence.length() - 1)).id();
            List<String> history = history(sequence, 1);
            List<String> found =
                ids(retrieve(request(history).setK(WIDE).addAllExclude(history).build()));
            int rank =
                found.indexOf(renamed && heldOut.contains(target) ? "new-" + target : target);
            ten += rank >= 0 && rank < 10 ? 1 : 0;
            wide += rank >= 0 ? 1 : 0;
          }
          System.out.printf(
              "  %-34s %5d users  R@10 %.4f  R@%d %.4f%n",
              kind,
              sequences.size(),
              (double) ten / sequences.size(),
              WIDE,
              (double) wide / sequences.size());
        });
  }

  private void upsert(List<CatalogItem> items) throws Exception {
    settled(
        catalog.send(
            items.stream()
                .<CatalogChange>map(item -> new CatalogChange.Upsert(item, Map.of()))
                .toList()));
  }

  private void remove(List<String> ids) throws Exception {
    settled(catalog.send(ids.stream().<CatalogChange>map(CatalogChange.Removal::new).toList()));
  }

  /** Waits until the retrieval server knows of it. */
  private void settled(CatalogClient.Outcome outcome) {
    RetrieveRequest.Builder request = request(history(data.sequences().getFirst(), 1));
    ids(retrieve(request.setMinCatalogOffset(outcome.lastOffset()).build()));
  }

  private RetrieveResponse retrieve(RetrieveRequest request) {
    return retrieval.withDeadlineAfter(20, TimeUnit.SECONDS).retrieve(request);
  }

  private RetrieveRequest.Builder request(List<String> history) {
    return RetrieveRequest.newBuilder()
        .setBundle(bundle.name())
        .setBundleVersion(bundle.version())
        .setK(10)
        .setBeamWidth(WIDE)
        .addAllHistory(history);
  }

  private List<String> history(UserSequence sequence, int without) {
    return Arrays.stream(sequence.first(sequence.length() - without))
        .mapToObj(number -> data.item(number).id())
        .toList();
  }

  private static List<String> ids(RetrieveResponse response) {
    return response.getCandidatesList().stream().map(Candidate::getItemId).toList();
  }

  private static CatalogItem renamed(CatalogItem item, String id) {
    return new CatalogItem(
        id,
        item.title(),
        item.brand(),
        item.category(),
        "",
        item.price(),
        Map.of(),
        "",
        item.stock());
  }

  @Override
  public void close() {
    while (!open.isEmpty()) {
      try {
        open.pop().close();
      } catch (Exception e) {
        throw new IllegalStateException("not closed", e);
      }
    }
  }
}

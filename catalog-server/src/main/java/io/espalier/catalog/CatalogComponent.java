package io.espalier.catalog;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.BundleResources;
import io.espalier.bundles.BundleSwitch;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.index.ItemIds;
import io.espalier.index.trie.SemanticIds;
import io.espalier.inference.ModelRunner;
import io.espalier.server.EspalierServer;
import io.espalier.server.RequestException;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LostLeaseException;
import io.espalier.stores.log.RecordLog;
import io.grpc.BindableService;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableDoubleGauge;
import java.io.IOException;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The writer of one catalogue: takes changes, gives items their semantic ids, and lets others
 * follow. The service blocks: it wants a server that runs its calls on virtual threads.
 */
public final class CatalogComponent implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(CatalogComponent.class);

  /**
   * Bytes that one message of the service may have: what a channel to it should take. Far above
   * what one has, since it has to take whatever the log holds.
   */
  public static final int MAX_MESSAGE_BYTES = 16 << 20;

  private static final String ASSIGN = "assign";
  private static final AttributeKey<String> BUNDLE = AttributeKey.stringKey("bundle");

  private final BundleSwitch<?> bundles;
  private final CatalogWriter writer;
  private final @Nullable SnapshotPublisher snapshots;
  private final CatalogService service;
  private final RecordLog records;
  private final ObservableDoubleGauge driftGauge;

  private CatalogComponent(
      BundleSwitch<?> bundles,
      CatalogWriter writer,
      RecordLog records,
      @Nullable SnapshotPublisher snapshots,
      Meter meter) {
    this.bundles = bundles;
    this.writer = writer;
    this.snapshots = snapshots;
    this.service = new CatalogService(writer, records, snapshots);
    this.records = records;
    this.driftGauge =
        meter
            .gaugeBuilder("espalier.catalog.code_drift")
            .setDescription("Stability index of new items' codes against those of training")
            .buildWithCallback(
                gauge ->
                    writer
                        .drift()
                        .forEach(
                            (bundle, figures) ->
                                gauge.record(
                                    figures.index(), Attributes.of(BUNDLE, bundle.toString()))));
  }

  /**
   * How snapshots are published.
   *
   * @param store where; this component alone writes to it
   * @param settings when, and how many are kept
   * @param items the catalogue before its first change
   */
  public record Publishing(
      SnapshotStore store, SnapshotSettings settings, List<CatalogItem> items) {}

  /**
   * Starts the writer after what the log holds; no snapshots are published.
   *
   * @param bundles the versions that items get semantic ids for; those without any are passed over
   * @param records the log; stays the caller's to close, after this component
   * @param runner has the {@link #models}; stays the caller's to close, after this component
   * @throws BundleException when a bundle's ids or codebooks cannot be read
   */
  public static CatalogComponent start(
      BundleRepository repository,
      Collection<BundleId> bundles,
      RecordLog records,
      ModelRunner runner,
      Meter meter) {
    return start(repository, bundles, records, runner, BundleResources.none(), meter);
  }

  /**
   * As above.
   *
   * @param models loads a bundle's models into the runner, those that it gives ids of later among
   *     them
   */
  public static CatalogComponent start(
      BundleRepository repository,
      Collection<BundleId> bundles,
      RecordLog records,
      ModelRunner runner,
      BundleResources models,
      Meter meter) {
    return start(repository, codes(repository, bundles), records, runner, models, null, meter);
  }

  /**
   * Starts the writer after the newest snapshot and what the log holds since.
   *
   * @param bundles the versions that items get semantic ids for; those without any are passed over
   * @param records the log; stays the caller's to close, after this component
   * @param runner has the {@link #models}; stays the caller's to close, after this component
   * @throws BundleException when a bundle's ids or codebooks cannot be read
   * @throws IOException when the snapshot store cannot be used
   * @throws LogException when log and snapshots do not belong together
   */
  public static CatalogComponent start(
      BundleRepository repository,
      Collection<BundleId> bundles,
      RecordLog records,
      ModelRunner runner,
      Publishing publishing,
      Meter meter)
      throws IOException {
    return start(repository, bundles, records, runner, BundleResources.none(), publishing, meter);
  }

  /**
   * As above.
   *
   * @param models loads a bundle's models into the runner, those that it gives ids of later among
   *     them
   */
  public static CatalogComponent start(
      BundleRepository repository,
      Collection<BundleId> bundles,
      RecordLog records,
      ModelRunner runner,
      BundleResources models,
      Publishing publishing,
      Meter meter)
      throws IOException {
    Map<BundleId, SnapshotPublisher.Codes> codes = codes(repository, bundles);
    SnapshotPublisher snapshots =
        SnapshotPublisher.start(
            records, publishing.store(), publishing.settings(), publishing.items(), codes);
    try {
      return start(repository, codes, records, runner, models, snapshots, meter);
    } catch (RuntimeException e) {
      snapshots.close();
      throw e;
    }
  }

  private static CatalogComponent start(
      BundleRepository repository,
      Map<BundleId, SnapshotPublisher.Codes> codes,
      RecordLog records,
      ModelRunner runner,
      BundleResources models,
      @Nullable SnapshotPublisher snapshots,
      Meter meter) {
    Map<BundleId, ItemCoder> coders = new LinkedHashMap<>();
    try {
      // A version that snapshots lack joins as one that comes later does: items that came before
      // are given ids of it.
      Set<BundleId> first = snapshots == null ? codes.keySet() : snapshots.bundles();
      for (BundleId id : first) {
        Map<String, List<Integer>> table = Objects.requireNonNull(codes.get(id)).table();
        coders.put(id, new ItemCoder(table, newItems(repository.get(id), table, runner)));
      }
      CatalogWriter writer =
          CatalogWriter.start(
              records, coders, () -> Optional.ofNullable(snapshots).map(SnapshotPublisher::last));
      try {
        BundleSwitch<?> live =
            BundleSwitch.serving(
                repository,
                new LiveCoders(writer, snapshots, runner, coders),
                models,
                List.copyOf(codes.keySet()));
        return new CatalogComponent(live, writer, records, snapshots, meter);
      } catch (RuntimeException e) {
        writer.close();
        throw e;
      }
    } catch (RuntimeException e) {
      coders.values().forEach(ItemCoder::close);
      throw e;
    }
  }

  private static Map<BundleId, SnapshotPublisher.Codes> codes(
      BundleRepository repository, Collection<BundleId> bundles) {
    Map<BundleId, SnapshotPublisher.Codes> codes = new LinkedHashMap<>();
    for (BundleId id : bundles) {
      Bundle bundle = repository.get(id);
      if (bundle.hasFile("semantic_ids")) {
        codes.put(id, codes(bundle));
      }
    }
    return codes;
  }

  static SnapshotPublisher.Codes codes(Bundle bundle) {
    return new SnapshotPublisher.Codes(bundle.parameters().size("levels"), table(bundle));
  }

  /** The models that give items ids which these bundles were not trained on. */
  public static Set<String> models(BundleRepository repository, Collection<BundleId> bundles) {
    Set<String> models = new TreeSet<>();
    for (BundleId id : bundles) {
      if (repository.get(id).hasModel(ASSIGN)) {
        models.add(repository.get(id).model(ASSIGN));
      }
    }
    return models;
  }

  static ItemCoder.@Nullable NewItems newItems(
      Bundle bundle, Map<String, List<Integer>> table, ModelRunner runner) {
    if (!bundle.hasModel(ASSIGN)) {
      return null;
    }
    CodeBook book = CodeBook.read(bundle, table.values());
    return new ItemCoder.NewItems(TextVectors.open(bundle, runner, book.width()), book);
  }

  static Map<String, List<Integer>> table(Bundle bundle) {
    List<String> ids = bundle.readItems().ids();
    int levels = bundle.parameters().size("levels");
    int[] codes;
    try {
      codes = SemanticIds.read(bundle.file("semantic_ids"), ItemIds.of(ids), levels);
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files.semantic_ids", e);
    }
    Map<String, List<Integer>> table = HashMap.newHashMap(ids.size());
    for (int item = 0; item < ids.size(); item++) {
      int from = item * levels;
      if (codes[from] >= 0) {
        table.put(ids.get(item), Arrays.stream(codes, from, from + levels).boxed().toList());
      }
    }
    return table;
  }

  /** The versions that items are given ids of, and the way from one to the next. */
  public BundleSwitch<?> bundles() {
    return bundles;
  }

  /** The last change that is in the log. */
  public long offset() {
    return records.end();
  }

  /** The gRPC service. */
  public BindableService service() {
    return service;
  }

  /** Adds the service to a server, when it is ready, and what its failures are to a caller. */
  public EspalierServer.Builder install(EspalierServer.Builder server) {
    return server
        .service(service)
        .endless(Set.of(CatalogServiceGrpc.getFollowMethod().getFullMethodName()))
        .readiness("the right to write the catalogue", records::isWriter)
        .readiness("the catalogue's writer", writer::isRunning)
        .exceptionRule(LostLeaseException.class, lost -> CatalogWriter.overtaken())
        .exceptionRule(LogException.class, CatalogComponent::unread);
  }

  private static RequestException unread(LogException failure) {
    log.error("the log cannot be read", failure);
    return RequestException.unavailable("the catalogue's log cannot be read at present");
  }

  /** Writes what is queued, and stops. */
  @Override
  public void close() {
    driftGauge.close();
    writer.close();
    if (snapshots != null) {
      snapshots.close();
    }
    bundles.close();
  }
}

package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.BundleResources;
import io.espalier.bundles.BundleSwitch;
import io.espalier.catalog.CatalogFollower;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LogPlace;
import io.espalier.catalog.Snapshot;
import io.espalier.catalog.SnapshotStore;
import io.espalier.inference.ModelRunner;
import io.espalier.server.BackgroundThread;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.BindableService;
import io.grpc.Channel;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The retrieval stage of one server: a source for each bundle, over the items of one data folder.
 *
 * <p>The catalogue is the folder's, whose offset is its number of items, and the changes that are
 * followed since. Bundles of the systems TIGER, COBRA, TransRec, E4SRec, HeterRec, DenseText,
 * TextIndex, Popularity and ItemToItem are served. The service blocks: it wants a server that runs
 * its calls on virtual threads.
 */
public final class RetrievalComponent implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(RetrievalComponent.class);

  // A replica that has never been nearer to the log's end than this does not serve yet.
  private static final long MAX_LAG = 10_000;

  private final BundleSwitch<Source> bundles;
  private final RetrievalService service;
  private final Meter meter;
  private final Catalogue catalogue;
  private final LogPlace begun;
  private final ModelCalls calls;
  private final @Nullable SnapshotStore snapshots;
  private @Nullable CatalogFollower follower;

  private RetrievalComponent(
      BundleSwitch<Source> bundles,
      Meter meter,
      Catalogue catalogue,
      LegalityCheck legality,
      LogPlace begun,
      ModelCalls calls,
      @Nullable SnapshotStore snapshots) {
    this.bundles = bundles;
    this.service = new RetrievalService(bundles, catalogue, legality, meter);
    this.snapshots = snapshots;
    this.meter = meter;
    this.catalogue = catalogue;
    this.begun = begun;
    this.calls = calls;
  }

  /** The systems whose bundles are sources here. */
  public static final Set<String> SYSTEMS =
      Set.of(
          "TIGER",
          "COBRA",
          "TransRec",
          "E4SRec",
          "HeterRec",
          "DenseText",
          "TextIndex",
          "Popularity",
          "ItemToItem");

  /**
   * The models that bundles need, those of the text encoders that they name among them: what the
   * runner must have loaded.
   */
  public static Set<String> models(BundleRepository repository, List<BundleId> bundles) {
    Set<String> models = new TreeSet<>();
    for (BundleId id : bundles) {
      Bundle bundle = repository.get(id);
      models.addAll(bundle.manifest().models().values());
      if (bundle.system().equals("DenseText")) {
        models.addAll(
            repository.get(RetrieverFactory.encoder(bundle)).manifest().models().values());
      }
    }
    return models;
  }

  /**
   * Verifies and reads bundles, and builds their indexes.
   *
   * @param bundles the sources, each named by its version
   * @param data the catalogue
   * @param runner runs the models; stays the caller's to close, after this component
   * @throws BundleException when a bundle does not verify, is malformed, or is no source
   */
  public static RetrievalComponent open(
      BundleRepository repository, List<BundleId> bundles, DataFolder data, ModelRunner runner) {
    return open(repository, bundles, data, runner, null, null, OpenTelemetry.noop());
  }

  /**
   * Verifies and reads bundles, and begins with the newest published snapshot that has their
   * semantic ids, where there is one.
   *
   * @param bundles the sources, each named by its version
   * @param data the catalogue where there is no snapshot, and what text is searched in
   * @param runner runs the models; stays the caller's to close, after this component
   * @param snapshots where snapshots are published; null where none are
   * @param decoder of every generative source that can; null leaves it to each bundle
   * @param telemetry where measurements go
   * @throws BundleException when a bundle does not verify, is malformed, or is no source
   */
  public static RetrievalComponent open(
      BundleRepository repository,
      List<BundleId> bundles,
      DataFolder data,
      ModelRunner runner,
      @Nullable SnapshotStore snapshots,
      @Nullable Decoder decoder,
      OpenTelemetry telemetry) {
    return open(
        repository, bundles, data, runner, BundleResources.none(), snapshots, decoder, telemetry);
  }

  /**
   * As above.
   *
   * @param models loads a bundle's models into the runner, those that it serves later among them
   */
  public static RetrievalComponent open(
      BundleRepository repository,
      List<BundleId> bundles,
      DataFolder data,
      ModelRunner runner,
      BundleResources models,
      @Nullable SnapshotStore snapshots,
      @Nullable Decoder decoder,
      OpenTelemetry telemetry) {
    Meter meter = telemetry.getMeter("io.espalier.retrieval");
    ModelCalls calls = new ModelCalls(runner);
    Set<BundleId> coded = new TreeSet<>(bundles);
    coded.removeIf(id -> !repository.get(id).hasFile("semantic_ids"));
    Snapshot begun = snapshots == null ? null : newest(snapshots, coded);
    CatalogState first = begun == null ? CatalogState.of(data.items()) : begun.state().only(coded);
    Catalogue catalogue = new Catalogue(first, snapshots, RetrievalComponent::startRebuild);
    if (begun != null) {
      catalogue.knowOf(begun.state().tries().keySet());
    }
    LegalityCheck legality = new LegalityCheck(meter);
    SourceLoader loader =
        new SourceLoader(
            repository,
            new RetrieverFactory(repository, data::items, begun, catalogue, calls, decoder),
            catalogue,
            legality);
    BundleSwitch<Source> serving = BundleSwitch.serving(repository, loader, models, bundles);
    loader.follow();
    return new RetrievalComponent(
        serving,
        meter,
        catalogue,
        legality,
        begun == null ? LogPlace.beginning(first.offset()) : begun.place(),
        calls,
        snapshots);
  }

  private static @Nullable Snapshot newest(SnapshotStore snapshots, Set<BundleId> coded) {
    try {
      Optional<Snapshot> newest = snapshots.newest(0, Long.MAX_VALUE, coded);
      newest.ifPresent(found -> log.info("begun with the snapshot of offset {}", found.offset()));
      return newest.orElse(null);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void startRebuild(Runnable rebuild) {
    BackgroundThread.start("catalogue-rebuild", rebuild);
  }

  /** The versions that it serves, and the way from one to the next. */
  public BundleSwitch<?> bundles() {
    return bundles;
  }

  /** The gRPC service. */
  public BindableService service() {
    return service;
  }

  /**
   * Follows the changes of the catalogue from now on; called once, before the service is used.
   *
   * @param catalog a channel to the catalogue's writer
   */
  public void follow(Channel catalog) {
    CatalogFollower started = CatalogFollower.start(catalog, begun, catalogue);
    started.observe(meter, "retrieval");
    if (snapshots != null) {
      snapshots.observe();
    }
    follower = started;
  }

  /**
   * Whether the catalogue was followed to near its end, after which it serves whatever becomes of
   * the writer; true when it is not followed at all.
   */
  public boolean hasCaughtUp() {
    return follower == null || follower.hasBeenWithin(MAX_LAG);
  }

  /** How often a snapshot took the place of the one that was searched. */
  public long swaps() {
    return catalogue.swaps();
  }

  /** Whether every model of every version that serves is ready. */
  public boolean isReady() {
    return bundles.allServing(source -> source.models().stream().allMatch(calls::isReady));
  }

  /** Frees the indexes; no call may be in progress. */
  @Override
  public void close() {
    if (follower != null) {
      follower.close();
    }
    bundles.close();
  }
}

package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.ModelRunner;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.BindableService;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The retrieval stage of one server: a source for each bundle, over the items of one data folder.
 *
 * <p>The catalogue is a fixed snapshot; its offset is its number of items. Bundles of the systems
 * TIGER, E4SRec, HeterRec, DenseText, TextIndex, Popularity and ItemToItem are served. The service
 * blocks: it wants a server that runs its calls on virtual threads.
 */
public final class RetrievalComponent implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(RetrievalComponent.class);

  private final RetrievalService service;
  private final Set<String> models;
  private final ModelCalls calls;
  private final List<AutoCloseable> closeables;

  private RetrievalComponent(
      RetrievalService service,
      Set<String> models,
      ModelCalls calls,
      List<AutoCloseable> closeables) {
    this.service = service;
    this.models = models;
    this.calls = calls;
    this.closeables = closeables;
  }

  /** The systems whose bundles are sources here. */
  public static final Set<String> SYSTEMS =
      Set.of("TIGER", "E4SRec", "HeterRec", "DenseText", "TextIndex", "Popularity", "ItemToItem");

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
    ModelCalls calls = new ModelCalls(runner);
    Catalogue catalogue = new Catalogue(data.items());
    RetrieverFactory factory = new RetrieverFactory(repository, catalogue, calls);
    Map<String, Retriever> retrievers = new LinkedHashMap<>();
    try {
      for (BundleId id : bundles) {
        Bundle bundle = repository.get(id);
        bundle.verify();
        retrievers.put(id.toString(), factory.create(bundle));
        log.info("source {} ({}) over {} items", id, bundle.system(), catalogue.items().size());
      }
    } catch (RuntimeException e) {
      close(factory.closeables());
      throw e;
    }
    return new RetrievalComponent(
        new RetrievalService(retrievers, catalogue),
        models(repository, bundles),
        calls,
        factory.closeables());
  }

  /** The gRPC service. */
  public BindableService service() {
    return service;
  }

  /** Whether every model of the sources is ready. */
  public boolean isReady() {
    return models.stream().allMatch(calls::isReady);
  }

  /** Frees the indexes; no call may be in progress. */
  @Override
  public void close() {
    close(closeables);
  }

  private static void close(List<AutoCloseable> closeables) {
    for (AutoCloseable closeable : closeables.reversed()) {
      try {
        closeable.close();
      } catch (Exception e) {
        log.warn("{} did not close", closeable, e);
      }
    }
  }
}

package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleLoader;
import io.espalier.bundles.BundleRepository;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes sources of bundles, which join the catalogue. */
final class SourceLoader implements BundleLoader<Source> {
  private static final Logger log = LoggerFactory.getLogger(SourceLoader.class);
  private static final int EXAMPLES = 8;
  private static final int HISTORY = 8;
  private static final int K = 20;
  private static final Duration LIMIT = Duration.ofSeconds(30);

  private final BundleRepository repository;
  private final RetrieverFactory factory;
  private final Catalogue catalogue;
  private final LegalityCheck legality;
  private volatile boolean following;

  SourceLoader(
      BundleRepository repository,
      RetrieverFactory factory,
      Catalogue catalogue,
      LegalityCheck legality) {
    this.repository = repository;
    this.factory = factory;
    this.catalogue = catalogue;
    this.legality = legality;
  }

  /** What is loaded from here on joins a catalogue that changes and is searched. */
  void follow() {
    factory.follow();
    catalogue.started();
    following = true;
  }

  @Override
  public Source load(Bundle bundle) {
    Set<String> models = RetrievalComponent.models(repository, List.of(bundle.id()));
    List<AutoCloseable> owned = new ArrayList<>();
    Catalogue.Joined<Retriever> joined;
    try {
      joined = catalogue.join(() -> factory.create(bundle, owned));
    } catch (RuntimeException | Error e) {
      Source.close(owned);
      throw e;
    }
    // What was made of its own is given up after the catalogue has no more use for it.
    owned.add(joined.leave()::run);
    legality.begin(bundle.id().toString());
    log.info("source {} ({}) over {} items", bundle.id(), bundle.system(), catalogue.ids().size());
    return new Source(bundle, joined.source(), models, owned);
  }

  /** Asks some questions; at the start of a server its router asks instead, by its routes. */
  @Override
  public void warm(Source loaded) {
    if (!following) {
      return;
    }
    List<String> items =
        loaded.bundle().hasFile("items") ? loaded.bundle().readItems().ids() : List.of();
    for (int example = 0; example < EXAMPLES; example++) {
      CatalogueView now = catalogue.view();
      if (now.items().size() == 0) {
        return;
      }
      List<String> history =
          items.subList(
              Math.min(items.size(), example * HISTORY),
              Math.min(items.size(), (example + 1) * HISTORY));
      if (!items.isEmpty() && history.isEmpty()) {
        return;
      }
      loaded
          .retriever()
          .retrieve(
              new Question(
                  K,
                  0,
                  history,
                  "item",
                  null,
                  Set.of(),
                  now,
                  Control.NONE,
                  System.nanoTime() + LIMIT.toNanos()));
    }
  }
}

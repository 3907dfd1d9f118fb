package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.Snapshot;
import io.espalier.index.ItemIds;
import io.espalier.index.list.NeighbourTable;
import io.espalier.index.list.PopularityList;
import io.espalier.retrieval.ItemSearch.Needs;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Makes a bundle's retriever, by its system. */
final class RetrieverFactory {
  // Events of a history that count for item-to-item neighbours.
  private static final int NEIGHBOUR_HISTORY = 50;
  private static final double NEIGHBOUR_DECAY = 0.8;

  private final BundleRepository repository;
  // The items whose text is searched.
  private final Supplier<List<CatalogItem>> texts;
  // What the catalogue was begun with; null for those items, and once it is followed.
  private volatile @Nullable Snapshot begun;
  private volatile boolean following;
  private final Catalogue catalogue;
  private final ModelCalls calls;
  private final @Nullable Decoder decoder;
  private final SearchLoad load = new SearchLoad(Runtime.getRuntime().availableProcessors());

  RetrieverFactory(
      BundleRepository repository,
      Supplier<List<CatalogItem>> texts,
      @Nullable Snapshot begun,
      Catalogue catalogue,
      ModelCalls calls,
      @Nullable Decoder decoder) {
    this.repository = repository;
    this.texts = texts;
    this.begun = begun;
    this.catalogue = catalogue;
    this.calls = calls;
    this.decoder = decoder;
  }

  /** What is made from here on joins a catalogue that changes. */
  void follow() {
    begun = null;
    following = true;
  }

  /**
   * Makes a retriever.
   *
   * @param owned what must be closed with it is added here, also when it cannot be made
   */
  Retriever create(Bundle bundle, List<AutoCloseable> owned) {
    try {
      return switch (bundle.system()) {
        case "TIGER" -> {
          TigerRetriever tiger = TigerRetriever.open(bundle, catalogue, calls, load, decoder);
          owned.add(tiger);
          yield tiger;
        }
        case "COBRA" -> CobraRetriever.open(bundle, catalogue, calls);
        case "TransRec" -> {
          TransRecRetriever retriever =
              TransRecRetriever.open(bundle, this::tell, catalogue, calls);
          owned.add(retriever);
          yield retriever;
        }
        case "E4SRec" -> {
          ItemIds ids = ids(bundle);
          E4SRecEncoder encoder = new E4SRecEncoder(bundle, calls);
          yield vectors(bundle, ids, Needs.HISTORY, encoder, encoder.width());
        }
        case "HeterRec" -> {
          ItemIds ids = ids(bundle);
          HeterRecEncoder encoder = new HeterRecEncoder(bundle, ids, calls);
          yield vectors(bundle, ids, Needs.HISTORY, encoder, encoder.width());
        }
        case "DenseText" -> {
          Bundle text = repository.get(encoder(bundle));
          text.verify();
          TextEncoder encoder = TextEncoder.open(text, calls);
          owned.add(encoder);
          yield vectors(bundle, ids(bundle), Needs.QUERY, encoder, encoder.width());
        }
        case "TextIndex" -> {
          TextSearch search = TextSearch.open(bundle, texts.get());
          owned.add(search);
          ItemIds ids = ItemIds.of(texts.get().stream().map(CatalogItem::id).toList());
          yield new ExhaustiveRetriever(new SourceItems(ids, catalogue), search);
        }
        case "Popularity" -> {
          PopularityList list = PopularityList.read(bundle.file("popularity"));
          yield new ExhaustiveRetriever(
              new SourceItems(list.ids(), catalogue), new PopularitySearch(list));
        }
        case "ItemToItem" -> {
          ItemIds ids = ids(bundle);
          yield new ExhaustiveRetriever(
              new SourceItems(ids, catalogue),
              new NeighbourSearch(
                  NeighbourTable.read(bundle.file("neighbours"), ids.size()),
                  NEIGHBOUR_HISTORY,
                  bundle.parameters().number("decay", NEIGHBOUR_DECAY)));
        }
        default ->
            throw new BundleException(
                "bundle "
                    + bundle.id()
                    + ": system: "
                    + bundle.system()
                    + " (expected: TIGER, COBRA, TransRec, E4SRec, HeterRec, DenseText, TextIndex,"
                    + " Popularity or ItemToItem)");
      };
    } catch (IOException | IllegalArgumentException e) {
      throw new BundleException("bundle " + bundle.id() + ": " + e.getMessage(), e);
    }
  }

  /** Tells the texts of the catalogue's items. */
  private void tell(KnownTexts known) throws IOException {
    Snapshot first = begun;
    if (following) {
      catalogue.tell(known, texts);
    } else if (first == null) {
      known.learn(texts.get());
    } else {
      known.learn(first);
    }
  }

  /** The text encoder that a dense bundle names. */
  static BundleId encoder(Bundle bundle) {
    try {
      return BundleId.parse(bundle.parameters().text("encoder"));
    } catch (IllegalArgumentException e) {
      throw bundle
          .parameters()
          .wrong("encoder", bundle.parameters().text("encoder"), "name@version");
    }
  }

  private Retriever vectors(
      Bundle bundle, ItemIds ids, Needs needs, VectorSearch.Encoder encoder, int width) {
    return new ExhaustiveRetriever(
        new SourceItems(ids, catalogue),
        new VectorSearch(needs, encoder, VectorSearch.readVectors(bundle, ids.size(), width)));
  }

  private static ItemIds ids(Bundle bundle) {
    return ItemIds.of(bundle.readItems().ids());
  }
}

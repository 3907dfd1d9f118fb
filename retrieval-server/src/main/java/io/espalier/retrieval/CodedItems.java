package io.espalier.retrieval;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LegalItems;
import io.espalier.index.trie.LegalLeaves;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.index.trie.SemanticIds;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.server.RequestException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.roaringbitmap.RoaringBitmap;

/**
 * A bundle's semantic ids beside the catalogue's items: what a history is to the bundle's model,
 * and which ids a question may be answered with.
 */
final class CodedItems implements Catalogue.SnapshotListener {
  // Of filters' leaves; one of a broad filter takes a bit an item.
  private static final long CACHED_BYTES = 64 << 20;
  // Requests that are under way see the last few catalogues, and ask a few filters of each.
  private static final int CACHED_CATALOGUES = 4;
  private static final int CACHED_FILTERS = 64;

  private final BundleId bundle;
  private final int levels;
  // What the bundle was trained on: a history may name items that the catalogue no longer has.
  private final ItemIds trained;
  // levels codes an item.
  private final int[] trainedCodes;
  private final Cache<RoaringBitmap, LegalLeaves> filters =
      FilterCaches.ofBytes(CACHED_BYTES, LegalLeaves::bytes);

  // What each filter, and none, leaves of the catalogue as it was lately.
  private final Cache<LiveTrie, Map<Optional<ItemFilter>, LegalItems>> legal =
      Caffeine.newBuilder().weakKeys().maximumSize(CACHED_CATALOGUES).build();

  private CodedItems(BundleId bundle, int levels, ItemIds trained, int[] trainedCodes) {
    this.bundle = bundle;
    this.levels = levels;
    this.trained = trained;
    this.trainedCodes = trainedCodes;
  }

  /**
   * Reads a bundle's semantic ids and adds them to the catalogue.
   *
   * @param codes codes of a level
   */
  static CodedItems open(Bundle bundle, Catalogue catalogue, int levels, int codes) {
    IdShape shape = new IdShape(levels, codes);
    ItemIds trained = ItemIds.of(bundle.readItems().ids());
    int[] trainedCodes = read(bundle, trained, levels, codes);
    catalogue.add(bundle.id(), new Trained(trained, trainedCodes, shape));
    shape.check(bundle.id(), catalogue.view().trie(bundle.id()).snapshot());
    return new CodedItems(bundle.id(), levels, trained, trainedCodes);
  }

  private static int[] read(Bundle bundle, ItemIds ids, int levels, int codes) {
    int[] ofItems;
    try {
      ofItems = SemanticIds.read(bundle.file("semantic_ids"), ids, levels);
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files.semantic_ids", e);
    }
    for (int i = 0; i < ofItems.length; i++) {
      if (ofItems[i] >= codes) {
        throw new BundleException(
            "bundle "
                + bundle.id()
                + ": semantic_ids: code "
                + ofItems[i]
                + " of "
                + ids.id(i / levels)
                + " (expected: < "
                + codes
                + ")");
      }
    }
    return ofItems;
  }

  /** The ids of the items that a bundle was trained on. */
  private static final class Trained implements Catalogue.OwnIds {
    private final ItemIds items;
    // levels codes an item.
    private final int[] codes;
    private final IdShape shape;

    Trained(ItemIds items, int[] codes, IdShape shape) {
      this.items = items;
      this.codes = codes;
      this.shape = shape;
    }

    @Override
    public IdShape shape() {
      return shape;
    }

    @Override
    public SemanticIdTrie trie(ItemIds ofSnapshot) {
      int levels = shape.levels();
      int[] ofItems = new int[Math.multiplyExact(ofSnapshot.size(), levels)];
      for (int item = 0; item < ofSnapshot.size(); item++) {
        int row = items.indexOf(ofSnapshot.id(item));
        if (row < 0) {
          ofItems[item * levels] = -1;
        } else {
          System.arraycopy(codes, row * levels, ofItems, item * levels, levels);
        }
      }
      return SemanticIdTrie.build(levels, ofItems);
    }

    @Override
    public List<Integer> of(String id) {
      int levels = shape.levels();
      int row = items.indexOf(id);
      return row < 0 || codes[row * levels] < 0
          ? List.of()
          : Arrays.stream(codes, row * levels, (row + 1) * levels).boxed().toList();
    }
  }

  /** The items that the bundle was trained on, in the order of its tables. */
  ItemIds trained() {
    return trained;
  }

  /**
   * An event of a history that has a semantic id.
   *
   * @param row of the item in the bundle's tables; −1 for one that it was not trained on
   * @param codes its semantic id
   */
  record Event(int row, List<Integer> codes) {}

  /** The history's items that have a semantic id, oldest first. */
  List<Event> known(Question question) {
    if (question.history().isEmpty()) {
      throw RequestException.invalidArgument(
          "history: empty (expected: at least one event for this source)");
    }
    LiveItems items = question.catalogue().items();
    LiveTrie trie = trie(question);
    List<Event> known = new ArrayList<>(question.history().size());
    for (String id : question.history()) {
      int item = items.indexOf(id);
      int row = trained.indexOf(id);
      if (item >= 0 && trie.contains(item)) {
        known.add(new Event(row, Arrays.stream(trie.semanticId(item)).boxed().toList()));
      } else if (row >= 0 && trainedCodes[row * levels] >= 0) {
        int from = row * levels;
        known.add(
            new Event(row, Arrays.stream(trainedCodes, from, from + levels).boxed().toList()));
      }
    }
    return known;
  }

  /** The catalogue's ids as a question sees them. */
  LiveTrie trie(Question question) {
    return question.catalogue().trie(bundle);
  }

  /** Which ids, and which items of them, a question may be answered with. */
  LegalItems legal(Question question) {
    LiveItems items = question.catalogue().items();
    LiveTrie trie = trie(question);
    int[] excluded =
        question.exclude().stream().mapToInt(items::indexOf).filter(item -> item >= 0).toArray();
    return legal(items, trie, question.filter()).without(excluded);
  }

  /** What a filter leaves; kept, since a delta is looked through for it. */
  private LegalItems legal(LiveItems items, LiveTrie trie, @Nullable ItemFilter filter) {
    Map<Optional<ItemFilter>, LegalItems> ofTrie =
        legal.get(trie, unused -> new ConcurrentHashMap<>());
    Optional<ItemFilter> key = Optional.ofNullable(filter);
    LegalItems known = ofTrie.get(key);
    if (known != null) {
      return known;
    }
    LegalItems found = find(items, trie, filter);
    if (ofTrie.size() < CACHED_FILTERS && (filter == null || filter.size() <= ItemFilter.FEW)) {
      ofTrie.put(key, found);
    }
    return found;
  }

  /** Finds what the filters leave of a snapshot that no request has waited for yet. */
  @Override
  public void coming(CatalogueView view, List<ItemFilter> filters) {
    filters.forEach(filter -> find(view.items(), view.trie(bundle), filter));
  }

  private LegalItems find(LiveItems items, LiveTrie trie, @Nullable ItemFilter filter) {
    if (filter == null) {
      return trie.legal();
    }
    LegalLeaves ofSnapshot =
        filters.get(items.matchingInSnapshot(filter), matching -> trie.snapshot().legal(matching));
    return trie.filtered(ofSnapshot, items.matchingInDelta(filter));
  }

  /** Why a question cannot be answered with an item; empty when it can, by its semantic id. */
  Optional<Verdict> unreachable(Question question, String id) {
    Optional<Verdict> barred = SourceItems.barred(question, id);
    if (barred.isEmpty() && !trie(question).contains(question.catalogue().items().indexOf(id))) {
      return Optional.of(Verdict.of(Fate.NOT_INDEXED, "the item has no semantic id"));
    }
    return barred;
  }

  /** The semantic id of an item that is not {@link #unreachable}. */
  int[] semanticId(Question question, String id) {
    return trie(question).semanticId(question.catalogue().items().indexOf(id));
  }
}

package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.catalog.Snapshot;
import io.espalier.index.ItemIds;
import io.espalier.index.fm.LiveFm;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;

/**
 * The texts of a catalogue's items as one bundle writes them. Makes of them the index of each view,
 * in the view's own numbers and with its semantic ids.
 *
 * <p>They are told in the catalogue's order, by one thread; views are made by others too. What was
 * removed keeps its text for a while, since a view of before may be made again.
 */
final class KnownTexts {
  // The places of n-grams are not asked for, so few are kept.
  private static final int RATE = 64;
  private static final int[] NONE = {};

  private final BundleId bundle;
  private final ItemTokens tokens;
  private final Map<String, int[]> texts = new ConcurrentHashMap<>();

  /**
   * No texts yet.
   *
   * @param bundle whose semantic ids stand before the texts
   */
  KnownTexts(BundleId bundle, ItemTokens tokens) {
    this.bundle = bundle;
    this.tokens = tokens;
  }

  /** Takes the texts of some items. */
  void learn(Iterable<CatalogItem> items) {
    items.forEach(item -> texts.put(item.id(), tokens.text(item)));
  }

  /** Takes the texts of a published snapshot's items, which are those of its offset. */
  void learn(Snapshot snapshot) throws IOException {
    snapshot.withItems();
    ItemIds ids = snapshot.state().items().snapshotIds();
    for (int item = 0; item < ids.size(); item++) {
      learn(snapshot.item(ids.id(item)).stream().toList());
    }
  }

  /** Takes the texts that some changes bring; before a view is made with them. */
  void learnOf(List<LoggedChange> changes) {
    for (LoggedChange logged : changes) {
      if (logged.change() instanceof CatalogChange.Upsert upsert) {
        learn(List.of(upsert.item()));
      }
    }
  }

  /** How many texts are known. */
  int size() {
    return texts.size();
  }

  /** Forgets the texts of items that no view will have again. */
  void keepOnly(Predicate<String> mayBeWritten) {
    texts.keySet().removeIf(mayBeWritten.negate());
  }

  /** The index of a catalogue whose snapshot nothing came after. */
  LiveFm index(CatalogState state) {
    int[][] written = new int[state.items().snapshotIds().size()][];
    for (int item = 0; item < written.length; item++) {
      written[item] = written(state, item);
    }
    return LiveFm.of(tokens.layout().size(), written, RATE);
  }

  /** The index after some more changes. */
  LiveFm after(LiveFm index, LiveItems before, List<LoggedChange> changes, CatalogState after) {
    Map<Integer, int[]> written = new HashMap<>();
    for (LoggedChange logged : changes) {
      int old = before.indexOf(logged.change().id());
      if (old >= 0) {
        written.put(old, NONE);
      }
    }
    for (LoggedChange logged : changes) {
      int now = after.items().indexOf(logged.change().id());
      if (now >= 0) {
        written.put(now, written(after, now));
      }
    }
    return index.after(written);
  }

  /** None for an item whose text is not known. */
  private int[] written(CatalogState state, int item) {
    int[] text = texts.get(state.items().id(item));
    if (text == null) {
      return NONE;
    }
    LiveTrie trie = state.tries().get(bundle);
    return tokens.of(trie != null && trie.contains(item) ? trie.semanticId(item) : NONE, text);
  }
}

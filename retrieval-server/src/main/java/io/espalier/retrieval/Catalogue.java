package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogFollower;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.live.ItemChange;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.catalog.CatalogItem;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The catalogue that every source of a server searches: a snapshot, whose offset is its number of
 * items as if each had been one update, and the changes that were followed since.
 *
 * <p>Readers see both through one reference. Once the changes are many, one snapshot is made of
 * both beside them, which takes their place; no reader waits for it. {@code brand}, {@code
 * category} (the name of every ancestor), {@code price}, {@code stock} and {@code group} are
 * attributes beside the items' own.
 */
final class Catalogue implements CatalogFollower.Listener {
  private static final Logger log = LoggerFactory.getLogger(Catalogue.class);

  // A batch of changes copies the delta, and a compaction passes over all items: one change to so
  // many items keeps both small beside the other, within bounds.
  private static final int ITEMS_A_CHANGE = 50;
  private static final int LEAST_COMPACTED_CHANGES = 1_000;
  private static final int MOST_CHANGES = 5_000;

  private final List<CatalogItem> items;
  private final ItemIds ids;
  private final Executor compactor;
  private volatile CatalogueView view;
  // What was followed since the compaction that is under way began; null when none is.
  private @Nullable List<CatalogChange> meanwhile;

  /**
   * The catalogue of a folder.
   *
   * @param compactor runs a compaction, for up to seconds of one core
   */
  Catalogue(List<CatalogItem> items, Executor compactor) {
    this.items = items;
    this.compactor = compactor;
    this.ids = ItemIds.of(items.stream().map(CatalogItem::id).toList());
    ItemAttributes.Builder builder = ItemAttributes.builder(ids);
    for (int i = 0; i < items.size(); i++) {
      int index = i;
      attributes(items.get(i))
          .forEach((name, values) -> values.forEach(value -> builder.add(index, name, value)));
    }
    this.view =
        new CatalogueView(items.size(), LiveItems.of(builder.build().packed()), Map.of(), Map.of());
  }

  private static Map<String, List<AttributeValue>> attributes(CatalogItem item) {
    Map<String, List<AttributeValue>> attributes = new HashMap<>();
    if (!item.brand().isEmpty()) {
      add(attributes, "brand", AttributeValue.of(item.brand()));
    }
    item.category().forEach(name -> add(attributes, "category", AttributeValue.of(name)));
    item.price().ifPresent(price -> add(attributes, "price", AttributeValue.of(price)));
    item.stock().ifPresent(stock -> add(attributes, "stock", AttributeValue.of((double) stock)));
    if (!item.group().isEmpty()) {
      add(attributes, "group", AttributeValue.of(item.group()));
    }
    item.attributes().forEach((name, value) -> add(attributes, name, convert(value)));
    return attributes;
  }

  private static void add(
      Map<String, List<AttributeValue>> attributes, String name, AttributeValue value) {
    attributes.computeIfAbsent(name, n -> new ArrayList<>()).add(value);
  }

  private static AttributeValue convert(io.espalier.stores.catalog.AttributeValue value) {
    return switch (value) {
      case io.espalier.stores.catalog.AttributeValue.Text text -> AttributeValue.of(text.text());
      case io.espalier.stores.catalog.AttributeValue.Numeric number ->
          AttributeValue.of(number.value());
      case io.espalier.stores.catalog.AttributeValue.Flag flag -> AttributeValue.of(flag.value());
    };
  }

  /** The snapshot's items. */
  List<CatalogItem> items() {
    return items;
  }

  /** The ids of the snapshot's items. */
  ItemIds ids() {
    return ids;
  }

  /** Adds the semantic ids of a bundle over the snapshot's items; before changes are followed. */
  synchronized void add(BundleId bundle, SemanticIdTrie trie) {
    view = view.with(bundle, LiveTrie.of(trie));
  }

  /** Adds a source that numbers items in its own way; before changes are followed. */
  synchronized void add(ItemIds source) {
    view = view.with(source);
  }

  /** The catalogue as it is now; a request keeps to the one that it started with. */
  CatalogueView view() {
    return view;
  }

  /**
   * Waits for an offset.
   *
   * @return the catalogue then; that of an earlier offset when the patience was not enough
   */
  CatalogueView await(long offset, long patienceNanos) throws InterruptedException {
    CatalogueView now = view;
    if (now.offset() >= offset) {
      return now;
    }
    long end = System.nanoTime() + patienceNanos;
    synchronized (this) {
      for (long left = patienceNanos;
          view.offset() < offset && left > 0;
          left = end - System.nanoTime()) {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
      return view;
    }
  }

  @Override
  public synchronized void changed(List<CatalogChange> changes, long lastOffset) {
    view = after(view, changes, lastOffset);
    notifyAll();
    if (meanwhile != null) {
      meanwhile.addAll(changes);
    } else if (view.items().changes() > changesAllowed(view)) {
      meanwhile = new ArrayList<>();
      CatalogueView compacted = view;
      compactor.execute(() -> compact(compacted));
    }
  }

  private static int changesAllowed(CatalogueView view) {
    return Math.clamp(view.items().size() / ITEMS_A_CHANGE, LEAST_COMPACTED_CHANGES, MOST_CHANGES);
  }

  /** Makes one snapshot of a view, and puts what was followed meanwhile on top of it. */
  private void compact(CatalogueView from) {
    long start = System.nanoTime();
    try {
      CatalogueView compacted = from.compacted();
      synchronized (this) {
        List<CatalogChange> since = Objects.requireNonNull(meanwhile);
        view = after(compacted, since, view.offset());
        meanwhile = null;
        log.info(
            "compacted {} items with {} changes at offset {} in {} ms; {} changes came meanwhile",
            compacted.items().size(),
            from.items().changes(),
            compacted.offset(),
            TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start),
            since.size());
      }
    } catch (RuntimeException | Error e) {
      log.error("offset {} could not be compacted; the next change tries again", from.offset(), e);
      synchronized (this) {
        meanwhile = null;
      }
    }
  }

  private static CatalogueView after(
      CatalogueView before, List<CatalogChange> changes, long lastOffset) {
    List<ItemChange> itemChanges = new ArrayList<>(changes.size());
    Map<String, CatalogChange> last = new HashMap<>();
    for (CatalogChange change : changes) {
      itemChanges.add(
          new ItemChange(
              change.id(),
              change instanceof CatalogChange.Upsert upsert ? attributes(upsert.item()) : null));
      last.put(change.id(), change);
    }
    LiveItems after = before.items().after(itemChanges);
    Map<BundleId, LiveTrie> tries = new HashMap<>();
    before
        .tries()
        .forEach(
            (bundle, trie) ->
                tries.put(bundle, trie.after(codes(bundle, last, before.items(), after))));
    return new CatalogueView(lastOffset, after, tries, before.indices());
  }

  /** What changes for one bundle's trie: by index, the codes from now on. */
  private static Map<Integer, int[]> codes(
      BundleId bundle, Map<String, CatalogChange> last, LiveItems before, LiveItems after) {
    Map<Integer, int[]> codes = new HashMap<>();
    last.forEach(
        (id, change) -> {
          int old = before.indexOf(id);
          if (old >= 0) {
            codes.put(old, new int[0]);
          }
          if (change instanceof CatalogChange.Upsert upsert) {
            List<Integer> now = upsert.semanticIds().getOrDefault(bundle, List.of());
            codes.put(after.indexOf(id), now.stream().mapToInt(code -> code).toArray());
          }
        });
    return codes;
  }
}

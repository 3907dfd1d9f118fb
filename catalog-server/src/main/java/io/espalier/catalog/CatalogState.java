package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.live.ItemChange;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.catalog.CatalogItem;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What can be searched of a catalogue at one offset: a snapshot and what changed since. Immutable.
 *
 * <p>{@code brand}, {@code category} (the name of every ancestor), {@code price}, {@code stock} and
 * {@code group} are attributes beside the items' own.
 *
 * @param offset the last change that it knows
 * @param items its items
 * @param tries their semantic ids in each bundle that has some
 */
public record CatalogState(long offset, LiveItems items, Map<BundleId, LiveTrie> tries) {
  public CatalogState {
    tries = Map.copyOf(tries);
  }

  /** A catalogue that no change came to: its offset is the number of its items. */
  public static CatalogState of(List<CatalogItem> items) {
    ItemAttributes.Builder builder =
        ItemAttributes.builder(ItemIds.of(items.stream().map(CatalogItem::id).toList()));
    for (int i = 0; i < items.size(); i++) {
      int index = i;
      attributes(items.get(i))
          .forEach((name, values) -> values.forEach(value -> builder.add(index, name, value)));
    }
    return new CatalogState(items.size(), LiveItems.of(builder.build().packed()), Map.of());
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

  /** The same items with the semantic ids of one more bundle. */
  public CatalogState with(BundleId bundle, LiveTrie trie) {
    Map<BundleId, LiveTrie> more = new HashMap<>(tries);
    more.put(bundle, trie);
    return new CatalogState(offset, items, more);
  }

  /**
   * The same items with the semantic ids of one more bundle, where nothing changed since the
   * snapshot.
   *
   * @param table the bundle's own codes, by external id; items that it does not know have none
   */
  public CatalogState with(BundleId bundle, int levels, Map<String, List<Integer>> table) {
    ItemIds ids = items.snapshotIds();
    int[] codes = new int[Math.multiplyExact(ids.size(), levels)];
    for (int item = 0; item < ids.size(); item++) {
      List<Integer> known = table.get(ids.id(item));
      for (int d = 0; d < levels; d++) {
        codes[item * levels + d] = known == null ? -1 : known.get(d);
      }
    }
    return with(bundle, LiveTrie.of(SemanticIdTrie.build(levels, codes)));
  }

  /** The same catalogue with the semantic ids of some bundles alone. */
  public CatalogState only(Set<BundleId> bundles) {
    Map<BundleId, LiveTrie> fewer = new HashMap<>(tries);
    fewer.keySet().retainAll(bundles);
    return new CatalogState(offset, items, fewer);
  }

  /** The same catalogue said to be that of another offset. */
  CatalogState at(long other) {
    return new CatalogState(other, items, tries);
  }

  /** The catalogue after some more changes. */
  public CatalogState after(List<LoggedChange> changes) {
    if (changes.isEmpty()) {
      return this;
    }
    List<ItemChange> itemChanges = new ArrayList<>(changes.size());
    Map<String, CatalogChange> last = new HashMap<>();
    for (LoggedChange logged : changes) {
      CatalogChange change = logged.change();
      itemChanges.add(
          new ItemChange(
              change.id(),
              change instanceof CatalogChange.Upsert upsert ? attributes(upsert.item()) : null));
      last.put(change.id(), change);
    }
    LiveItems after = items.after(itemChanges);
    Map<BundleId, LiveTrie> afterTries = new HashMap<>();
    tries.forEach(
        (bundle, trie) -> afterTries.put(bundle, trie.after(codes(bundle, last, items, after))));
    return new CatalogState(changes.getLast().offset(), after, afterTries);
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

  /** The same catalogue as a snapshot that nothing came after. */
  public CatalogState compacted() {
    return compacted(Arena.ofAuto(), () -> {});
  }

  /**
   * The same catalogue as a snapshot that nothing came after.
   *
   * @param arena what it lives in
   * @param pace called again and again, for a caller who wants the work slowed
   */
  CatalogState compacted(Arena arena, Runnable pace) {
    LiveItems.Compacted compacted = items.compacted(arena, pace);
    Map<BundleId, LiveTrie> ofSnapshot = new HashMap<>();
    tries.forEach(
        (bundle, trie) -> {
          ofSnapshot.put(bundle, trie.compacted(compacted.numbers()));
          pace.run();
        });
    return new CatalogState(offset, compacted.items(), ofSnapshot);
  }
}

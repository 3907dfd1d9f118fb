package io.espalier.index.live;

import io.espalier.index.ItemIds;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.filter.ItemFilter;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.roaringbitmap.PeekableIntIterator;
import org.roaringbitmap.RoaringBitmap;

/**
 * The items of a catalogue at one offset: a snapshot, and what changed since. Immutable.
 *
 * <p>An item's index is its place in the order in which the catalogue came to know the items; it
 * keeps it until the next {@link #compacted compaction}, which leaves the order as it is, and an
 * item that was removed and came back has a new one. What changed is small, so it is copied at each
 * batch of changes, and looked through for each filter; what a filter makes of the snapshot is
 * found once and shared by all that follow it.
 */
public final class LiveItems {
  private static final int PACED = 10_000;
  // Filters whose matches among the changed items are kept, for requests that ask alike.
  private static final int KEPT = 64;

  private final ItemAttributes snapshot;
  // Ids of the items after the snapshot's, by index less the snapshot's size; removed ones stay.
  private final List<String> added;
  // Of the added items those that are there, by id.
  private final Map<String, Integer> addedIndices;
  // Items that the snapshot does not describe any more.
  private final IndexedDelta<ItemChange> delta;
  // Items of the snapshot that were changed or removed.
  private final RoaringBitmap outdated;
  private final RoaringBitmap all;
  private final Map<ItemFilter, RoaringBitmap> inDelta = new ConcurrentHashMap<>();

  private LiveItems(
      ItemAttributes snapshot,
      List<String> added,
      Map<String, Integer> addedIndices,
      IndexedDelta<ItemChange> delta,
      RoaringBitmap outdated,
      RoaringBitmap all) {
    this.snapshot = snapshot;
    this.added = added;
    this.addedIndices = addedIndices;
    this.delta = delta;
    this.outdated = outdated;
    this.all = all;
  }

  /** The items of a snapshot, unchanged. */
  public static LiveItems of(ItemAttributes snapshot) {
    return new LiveItems(
        snapshot,
        List.of(),
        Map.of(),
        IndexedDelta.none(),
        new RoaringBitmap(),
        RoaringBitmap.bitmapOfRange(0, snapshot.ids().size()));
  }

  /** The items after some more changes, in their order; a removal of what is not there is none. */
  public LiveItems after(List<ItemChange> changes) {
    int ofSnapshot = snapshot.ids().size();
    List<String> nowAdded = new ArrayList<>(added);
    Map<String, Integer> nowIndices = new HashMap<>(addedIndices);
    RoaringBitmap nowAll = all.clone();
    // By index, what the item is from now on; empty for one that is gone.
    SortedMap<Integer, Optional<ItemChange>> batch = new TreeMap<>();
    for (ItemChange change : changes) {
      Integer known = nowIndices.get(change.id());
      int index = known != null ? known : snapshot.ids().indexOf(change.id());
      boolean there = index >= 0 && nowAll.contains(index);
      if (change.isRemoval()) {
        if (there) {
          batch.put(index, Optional.empty());
          nowIndices.remove(change.id());
          nowAll.remove(index);
        }
        continue;
      }
      if (!there) {
        index = ofSnapshot + nowAdded.size();
        nowAdded.add(change.id());
        nowIndices.put(change.id(), index);
        nowAll.add(index);
      }
      batch.put(index, Optional.of(change));
    }
    RoaringBitmap nowOutdated = outdated.clone();
    batch.headMap(ofSnapshot).keySet().forEach(nowOutdated::add);
    return new LiveItems(snapshot, nowAdded, nowIndices, delta.after(batch), nowOutdated, nowAll);
  }

  /**
   * These items as a snapshot of their own.
   *
   * @param items the same items in the same order, nothing changed since the snapshot
   * @param numbers their indices, by those that they had
   */
  public record Compacted(LiveItems items, Renumbering numbers) {}

  /** Makes a snapshot of the items as they are now. */
  public Compacted compacted() {
    return compacted(Arena.ofAuto(), () -> {});
  }

  /**
   * Makes a snapshot of the items as they are now.
   *
   * @param arena what it lives in
   * @param pace called again and again, for a caller who wants the work slowed
   */
  public Compacted compacted(Arena arena, Runnable pace) {
    int ofSnapshot = snapshot.ids().size();
    int[] numbers = new int[ofSnapshot + added.size()];
    Arrays.fill(numbers, -1);
    ItemIds.Builder ids = new ItemIds.Builder();
    int size = 0;
    for (PeekableIntIterator index = all.getIntIterator(); index.hasNext(); ) {
      int before = index.next();
      numbers[before] = size++;
      if (before < ofSnapshot) {
        ids.add(snapshot.ids(), before);
      } else {
        ids.add(added.get(before - ofSnapshot));
      }
      if (size % PACED == 0) {
        pace.run();
      }
    }
    ItemAttributes merged =
        ItemAttributes.merged(
            ids.build(arena),
            snapshot,
            index -> outdated.contains(index) ? -1 : numbers[index],
            deltaAttributes(),
            number -> numbers[delta.indices()[number]],
            arena,
            pace);
    return new Compacted(of(merged), new Renumbering(numbers, size));
  }

  private ItemAttributes deltaAttributes() {
    List<ItemChange> items = delta.values();
    ItemAttributes.Builder builder =
        ItemAttributes.builder(ItemIds.of(items.stream().map(ItemChange::id).toList()));
    for (int i = 0; i < items.size(); i++) {
      int number = i;
      items
          .get(i)
          .values()
          .forEach((name, values) -> values.forEach(value -> builder.add(number, name, value)));
    }
    return builder.build();
  }

  /** How many items came, changed or went since the snapshot: what a compaction settles. */
  public int changes() {
    return added.size() + outdated.getCardinality();
  }

  /** How many items there are. */
  public int size() {
    return all.getCardinality();
  }

  /** How many items the snapshot does not describe as they are. */
  public int deltaSize() {
    return delta.indices().length;
  }

  /** The index of an item; −1 when the catalogue does not have it. */
  public int indexOf(String id) {
    Integer later = addedIndices.get(id);
    if (later != null) {
      return later;
    }
    int index = snapshot.ids().indexOf(id);
    return index >= 0 && all.contains(index) ? index : -1;
  }

  /** The external id of an item that is there, or was. */
  public String id(int index) {
    int ofSnapshot = snapshot.ids().size();
    return index < ofSnapshot ? snapshot.ids().id(index) : added.get(index - ofSnapshot);
  }

  /** All items' indices; not to be changed. */
  public RoaringBitmap all() {
    return all;
  }

  /** The snapshot's items, whether they still are as it has them or not. */
  public ItemAttributes snapshot() {
    return snapshot;
  }

  /** The ids of the snapshot's items, whether they still are as it has them or not. */
  public ItemIds snapshotIds() {
    return snapshot.ids();
  }

  /** Whether nothing was removed since the snapshot and nothing changed. */
  public boolean isSnapshot() {
    return outdated.isEmpty() && delta.indices().length == 0;
  }

  /**
   * The items of the snapshot that satisfied a filter when it was made, those that changed since
   * among them; not to be changed.
   */
  public RoaringBitmap matchingInSnapshot(ItemFilter filter) {
    return snapshot.compile(filter);
  }

  /** The items that changed since the snapshot and satisfy a filter; not to be changed. */
  public RoaringBitmap matchingInDelta(ItemFilter filter) {
    RoaringBitmap known = inDelta.get(filter);
    if (known != null) {
      return known;
    }
    RoaringBitmap matching = new RoaringBitmap();
    for (int i = 0; i < delta.values().size(); i++) {
      ItemChange item = delta.values().get(i);
      if (filter.test(item.id(), item.values())) {
        matching.add(delta.indices()[i]);
      }
    }
    if (inDelta.size() < KEPT && filter.size() <= ItemFilter.FEW) {
      inDelta.put(filter, matching);
    }
    return matching;
  }

  /** The indices of the items that satisfy a filter; not to be changed. */
  public RoaringBitmap matching(ItemFilter filter) {
    RoaringBitmap ofSnapshot = matchingInSnapshot(filter);
    if (isSnapshot()) {
      return ofSnapshot;
    }
    RoaringBitmap matching = RoaringBitmap.andNot(ofSnapshot, outdated);
    matching.or(matchingInDelta(filter));
    return matching;
  }
}

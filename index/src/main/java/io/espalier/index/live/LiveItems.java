package io.espalier.index.live;

import io.espalier.index.ItemIds;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.filter.ItemFilter;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.roaringbitmap.PeekableIntIterator;
import org.roaringbitmap.RoaringBitmap;

/**
 * The items of a catalogue at one offset: a snapshot, and what changed since. Immutable.
 *
 * <p>An item's index is its place in the order in which the catalogue came to know the items; it
 * keeps it until the next {@link #compacted compaction}, which leaves the order as it is, and an
 * item that was removed and came back has a new one. What changed is small, so it is copied at each
 * batch of changes; what a filter makes of the snapshot is found once and shared by all that follow
 * it.
 */
public final class LiveItems {
  private static final int PACED = 10_000;

  private final ItemAttributes snapshot;
  // Ids of the items after the snapshot's, by index less the snapshot's size; removed ones stay.
  private final List<String> added;
  // Items that the snapshot does not describe any more: by index, their attributes now.
  private final SortedMap<Integer, ItemChange> changed;
  private final Map<String, Integer> changedIndices;
  // Items of the snapshot that were changed or removed.
  private final RoaringBitmap outdated;
  private final ItemAttributes delta;
  private final int[] deltaIndices;
  private final RoaringBitmap all;

  private LiveItems(
      ItemAttributes snapshot,
      List<String> added,
      SortedMap<Integer, ItemChange> changed,
      Map<String, Integer> changedIndices,
      RoaringBitmap outdated) {
    this.snapshot = snapshot;
    this.added = added;
    this.changed = changed;
    this.changedIndices = changedIndices;
    this.outdated = outdated;
    this.deltaIndices = changed.keySet().stream().mapToInt(index -> index).toArray();
    ItemAttributes.Builder attributes =
        ItemAttributes.builder(ItemIds.of(changed.values().stream().map(ItemChange::id).toList()));
    int number = 0;
    for (ItemChange item : changed.values()) {
      add(attributes, number++, item);
    }
    this.delta = attributes.build();
    this.all = RoaringBitmap.bitmapOfRange(0, snapshot.ids().size());
    all.andNot(outdated);
    all.add(deltaIndices);
  }

  private static void add(ItemAttributes.Builder attributes, int number, ItemChange item) {
    Map<String, List<AttributeValue>> values = item.attributes();
    if (values != null) {
      values.forEach((name, list) -> list.forEach(v -> attributes.add(number, name, v)));
    }
  }

  /** The items of a snapshot, unchanged. */
  public static LiveItems of(ItemAttributes snapshot) {
    return new LiveItems(snapshot, List.of(), new TreeMap<>(), Map.of(), new RoaringBitmap());
  }

  /** The items after some more changes, in their order; a removal of what is not there is none. */
  public LiveItems after(List<ItemChange> changes) {
    List<String> nowAdded = new ArrayList<>(added);
    TreeMap<Integer, ItemChange> nowChanged = new TreeMap<>(changed);
    RoaringBitmap nowOutdated = outdated.clone();
    Map<String, Integer> indices = new HashMap<>(changedIndices);
    for (ItemChange change : changes) {
      Integer known = indices.get(change.id());
      int index = known != null ? known : inSnapshot(change.id(), nowOutdated);
      if (change.attributes() == null) {
        if (index >= 0) {
          nowChanged.remove(index);
          indices.remove(change.id());
          outdate(index, nowOutdated);
        }
        continue;
      }
      if (index < 0) {
        index = snapshot.ids().size() + nowAdded.size();
        nowAdded.add(change.id());
      }
      outdate(index, nowOutdated);
      nowChanged.put(index, change);
      indices.put(change.id(), index);
    }
    return new LiveItems(snapshot, nowAdded, nowChanged, indices, nowOutdated);
  }

  private void outdate(int index, RoaringBitmap indices) {
    if (index < snapshot.ids().size()) {
      indices.add(index);
    }
  }

  private int inSnapshot(String id, RoaringBitmap without) {
    int index = snapshot.ids().indexOf(id);
    return index >= 0 && without.contains(index) ? -1 : index;
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
            delta,
            number -> numbers[deltaIndices[number]],
            arena,
            pace);
    return new Compacted(of(merged), new Renumbering(numbers, size));
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
    return deltaIndices.length;
  }

  /** The index of an item; −1 when the catalogue does not have it. */
  public int indexOf(String id) {
    Integer index = changedIndices.get(id);
    return index != null ? index : inSnapshot(id, outdated);
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
    return outdated.isEmpty() && deltaIndices.length == 0;
  }

  /**
   * The items of the snapshot that satisfied a filter when it was made, those that changed since
   * among them; not to be changed.
   */
  public RoaringBitmap matchingInSnapshot(ItemFilter filter) {
    return snapshot.compile(filter);
  }

  /** The items that changed since the snapshot and satisfy a filter. */
  public RoaringBitmap matchingInDelta(ItemFilter filter) {
    RoaringBitmap matching = new RoaringBitmap();
    delta.compile(filter).forEach((int number) -> matching.add(deltaIndices[number]));
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

package io.espalier.retrieval;

import io.espalier.index.ItemIds;
import io.espalier.index.live.LiveItems;
import io.espalier.retrieval.Verdict.Fate;
import java.util.BitSet;
import java.util.Collection;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.roaringbitmap.PeekableIntIterator;
import org.roaringbitmap.RoaringBitmap;

/**
 * A bundle's items beside the catalogue's: which of them a question may be answered with. An item
 * that the catalogue does not know is never legal.
 */
final class SourceItems {
  private final ItemIds ids;

  SourceItems(ItemIds ids, Catalogue catalogue) {
    this.ids = ids;
    catalogue.add(ids);
  }

  int size() {
    return ids.size();
  }

  String id(int item) {
    return ids.id(item);
  }

  /** The index of an external id; −1 when the bundle does not know the item. */
  int indexOf(String id) {
    return ids.indexOf(id);
  }

  /** The items that the bundle knows, in the order given. */
  int[] known(Collection<String> external) {
    return external.stream().mapToInt(ids::indexOf).filter(item -> item >= 0).toArray();
  }

  /** The items that may be returned; null when all may. */
  @Nullable BitSet legal(Question question) {
    RoaringBitmap matching = matching(question);
    int[] excluded = known(question.exclude());
    if (matching == null && excluded.length == 0) {
      return null;
    }
    BitSet legal = new BitSet(ids.size());
    if (matching == null) {
      legal.set(0, ids.size());
    } else {
      matching.forEach((int item) -> legal.set(item));
    }
    for (int item : excluded) {
      legal.clear(item);
    }
    return legal;
  }

  /**
   * The items that the catalogue knows and the filter allows, the excluded ones still among them;
   * null when it allows all.
   */
  private @Nullable RoaringBitmap matching(Question question) {
    LiveItems items = question.catalogue().items();
    SnapshotIndices ofSnapshot = question.catalogue().indices(ids);
    if (question.filter() == null && ofSnapshot.same() && items.isSnapshot()) {
      return null;
    }
    RoaringBitmap allowed =
        question.filter() == null ? items.all() : items.matching(question.filter());
    RoaringBitmap matching;
    if (ofSnapshot.same()) {
      matching = allowed.clone();
      matching.remove((long) ids.size(), 1L << Integer.SIZE);
    } else {
      matching = new RoaringBitmap();
      for (int item = 0; item < ids.size(); item++) {
        int index = ofSnapshot.of(item);
        if (index >= 0 && allowed.contains(index)) {
          matching.add(item);
        }
      }
    }
    // Items that came to the catalogue after the snapshot, and that the bundle knows all the same.
    PeekableIntIterator later = allowed.getIntIterator();
    later.advanceIfNeeded(items.snapshotIds().size());
    while (later.hasNext()) {
      int item = ids.indexOf(items.id(later.next()));
      if (item >= 0) {
        matching.add(item);
      }
    }
    return matching;
  }

  /** Why an item cannot be returned whatever its score; empty when it can. */
  Optional<Verdict> illegal(Question question, String id) {
    Optional<Verdict> barred = barred(question, id);
    if (barred.isEmpty() && ids.indexOf(id) < 0) {
      return Optional.of(Verdict.of(Fate.NOT_INDEXED, "the bundle does not know the item"));
    }
    return barred;
  }

  /** Why no source may return an item; empty when some may. */
  static Optional<Verdict> barred(Question question, String id) {
    LiveItems items = question.catalogue().items();
    int index = items.indexOf(id);
    if (index < 0) {
      return Optional.of(Verdict.of(Fate.UNKNOWN_ITEM, "the catalogue does not know the item"));
    }
    if (question.exclude().contains(id)) {
      return Optional.of(Verdict.of(Fate.FILTERED, "the item is among the excluded"));
    }
    if (question.filter() != null && !items.matching(question.filter()).contains(index)) {
      return Optional.of(Verdict.of(Fate.FILTERED, "the item does not satisfy the filter"));
    }
    return Optional.empty();
  }
}

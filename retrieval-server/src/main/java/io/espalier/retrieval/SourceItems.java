package io.espalier.retrieval;

import io.espalier.index.ItemIds;
import io.espalier.retrieval.Verdict.Fate;
import java.util.BitSet;
import java.util.Collection;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.roaringbitmap.RoaringBitmap;

/**
 * A bundle's items beside the catalogue's: which of them a question may be answered with. An item
 * that the catalogue does not know is never legal.
 */
final class SourceItems {
  private final ItemIds ids;
  private final Catalogue catalogue;
  // The catalogue's index of each of the bundle's items, -1 for none; null when they are the same.
  private final int @Nullable [] catalogueIndex;

  SourceItems(ItemIds ids, Catalogue catalogue) {
    this.ids = ids;
    this.catalogue = catalogue;
    int[] indices = new int[ids.size()];
    boolean same = ids.size() == catalogue.ids().size();
    for (int item = 0; item < ids.size(); item++) {
      indices[item] = catalogue.ids().indexOf(ids.id(item));
      same &= indices[item] == item;
    }
    this.catalogueIndex = same ? null : indices;
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
   * null when it allows all; not to be changed.
   */
  @Nullable RoaringBitmap matching(Question question) {
    RoaringBitmap allowed =
        question.filter() == null ? null : catalogue.attributes().compile(question.filter());
    if (catalogueIndex == null) {
      return allowed;
    }
    RoaringBitmap matching = new RoaringBitmap();
    for (int item = 0; item < catalogueIndex.length; item++) {
      int index = catalogueIndex[item];
      if (index >= 0 && (allowed == null || allowed.contains(index))) {
        matching.add(item);
      }
    }
    return matching;
  }

  /** Why an item cannot be returned whatever its score; empty when it can. */
  Optional<Verdict> illegal(Question question, String id) {
    int inCatalogue = catalogue.ids().indexOf(id);
    if (inCatalogue < 0) {
      return Optional.of(Verdict.of(Fate.UNKNOWN_ITEM, "the catalogue does not know the item"));
    }
    if (ids.indexOf(id) < 0) {
      return Optional.of(Verdict.of(Fate.NOT_INDEXED, "the bundle does not know the item"));
    }
    if (question.exclude().contains(id)) {
      return Optional.of(Verdict.of(Fate.FILTERED, "the item is among the excluded"));
    }
    if (question.filter() != null
        && !catalogue.attributes().compile(question.filter()).contains(inCatalogue)) {
      return Optional.of(Verdict.of(Fate.FILTERED, "the item does not satisfy the filter"));
    }
    return Optional.empty();
  }
}

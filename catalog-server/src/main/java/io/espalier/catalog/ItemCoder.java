package io.espalier.catalog;

import io.espalier.inference.ModelException;
import io.espalier.stores.catalog.CatalogItem;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives items their semantic ids in one version of a bundle: the bundle's own for the items that it
 * was trained on, for others one that their text says, where the bundle can tell. No item moves for
 * another's sake, and one whose text stays keeps its id.
 */
final class ItemCoder implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(ItemCoder.class);

  private final Map<String, List<Integer>> table;
  private final @Nullable NewItems newItems;
  private final Map<String, Known> assigned = new HashMap<>();
  // How many of the assigned items have an id.
  private final Map<List<Integer>, Integer> uses = new HashMap<>();
  private final Set<List<Integer>> trained;
  private final CodeDrift drift;
  // Of the texts last prepared for: where each lies, or why the model could not tell.
  private final Map<String, float[]> vectors = new HashMap<>();
  private final Map<String, RuntimeException> failures = new HashMap<>();

  /**
   * What tells the ids of items that a bundle was not trained on.
   *
   * @param vectors where an item lies, by its text
   * @param book what codes that is
   */
  record NewItems(TextVectors vectors, CodeBook book) {}

  private record Known(List<Integer> codes, String text) {}

  /**
   * An item's codes.
   *
   * @param codes one a level; empty when the bundle cannot give the item any
   * @param reason why not; empty when it can
   */
  record Coding(List<Integer> codes, String reason) {}

  /**
   * Codes items.
   *
   * @param table the bundle's own codes, by external id
   * @param newItems null when the bundle cannot tell the ids of other items
   */
  ItemCoder(Map<String, List<Integer>> table, @Nullable NewItems newItems) {
    this.table = table;
    this.newItems = newItems;
    this.trained = new HashSet<>(table.values());
    this.drift = new CodeDrift(table.values());
  }

  /**
   * Gets ready to code items, with one run of the model for all of them; what fails is told when an
   * item that needs it is coded.
   */
  void prepare(Collection<CatalogItem> items) {
    vectors.clear();
    failures.clear();
    if (newItems != null) {
      Set<String> texts = new HashSet<>();
      for (CatalogItem item : items) {
        String text = TextVectors.text(item);
        Known known = assigned.get(item.id());
        if (!table.containsKey(item.id()) && (known == null || !known.text().equals(text))) {
          texts.add(text);
        }
      }
      encode(newItems.vectors(), List.copyOf(texts));
    }
  }

  /** Halves texts that the model fails on until one stands alone: none fails for another's sake. */
  private void encode(TextVectors model, List<String> texts) {
    try {
      vectors.putAll(model.encode(texts));
    } catch (RuntimeException e) {
      if (texts.size() == 1 || isOutage(e)) {
        log.warn("{} texts of items cannot be turned into vectors", texts.size(), e);
        texts.forEach(text -> failures.put(text, e));
      } else {
        encode(model, texts.subList(0, texts.size() / 2));
        encode(model, texts.subList(texts.size() / 2, texts.size()));
      }
    }
  }

  /** Whether a model's failure has nothing to do with what it was asked. */
  static boolean isOutage(RuntimeException failure) {
    return failure instanceof ModelException model
        && switch (model.reason()) {
          case UNKNOWN_MODEL, NOT_READY, QUEUE_FULL, EXPIRED -> true;
          case INVALID_INPUT, FAILED -> false;
        };
  }

  /** The ids that items were given beside those that the bundle was trained on, by external id. */
  Map<String, List<Integer>> assigned() {
    Map<String, List<Integer>> ids = HashMap.newHashMap(assigned.size());
    assigned.forEach((id, known) -> ids.put(id, known.codes()));
    return ids;
  }

  /** Whether the bundle can tell the ids of items that it was not trained on. */
  boolean codesNewItems() {
    return newItems != null;
  }

  /** Whether the bundle was trained on an item: nothing has to be known of it. */
  boolean isTrained(String id) {
    return table.containsKey(id);
  }

  /**
   * The codes of an item that was among those last prepared for.
   *
   * @throws ModelException when the model could not be run, as is any failure on its text
   */
  Coding assign(CatalogItem item) {
    List<Integer> own = table.get(item.id());
    if (own != null) {
      return new Coding(own, "");
    }
    if (newItems == null) {
      return new Coding(List.of(), "it was not trained on the item, and has no model for others");
    }
    String text = TextVectors.text(item);
    if (text.isEmpty()) {
      return new Coding(List.of(), "the item has no text (expected: title, brand or category)");
    }
    Known known = assigned.get(item.id());
    if (known != null && known.text().equals(text)) {
      return new Coding(known.codes(), "");
    }
    if (!vectors.containsKey(text) && !failures.containsKey(text)) {
      // An earlier change of the same batch may have taken the text that the item had before.
      encode(newItems.vectors(), List.of(text));
    }
    RuntimeException failure = failures.get(text);
    if (failure != null) {
      throw failure;
    }
    float[] vector = vectors.get(text);
    return vector == null
        ? new Coding(List.of(), "it knows no word of the item's text")
        : new Coding(code(newItems.book(), vector, known), "");
  }

  private List<Integer> code(CodeBook book, float[] vector, @Nullable Known before) {
    CodeBook.Place place = book.place(vector);
    int last = place.prefix().size();
    if (before != null && before.codes().subList(0, last).equals(place.prefix())) {
      return before.codes();
    }
    Integer[] codes = place.prefix().toArray(new Integer[last + 1]);
    codes[last] =
        book.last(
            place,
            code -> {
              codes[last] = code;
              List<Integer> id = List.of(codes);
              return !trained.contains(id) && !uses.containsKey(id);
            });
    return List.of(codes);
  }

  /** Takes note of an item's codes; empty ones are none. */
  void learn(CatalogItem item, List<Integer> codes) {
    forget(item.id());
    if (!codes.isEmpty() && !table.containsKey(item.id())) {
      assigned.put(item.id(), new Known(codes, TextVectors.text(item)));
      uses.merge(codes, 1, Integer::sum);
      drift.add(codes);
    }
  }

  /** The item is gone. */
  void forget(String id) {
    Known known = assigned.remove(id);
    if (known != null) {
      uses.computeIfPresent(known.codes(), (codes, n) -> n == 1 ? null : n - 1);
      drift.remove(known.codes());
    }
  }

  /** Forgets all items. */
  void clear() {
    assigned.clear();
    uses.clear();
    drift.clear();
  }

  /** How the codes of the items that it was not trained on differ from the others'. */
  CodeDrift.Figures drift() {
    return drift.figures();
  }

  @Override
  public void close() {
    if (newItems != null) {
      newItems.vectors().close();
    }
  }
}

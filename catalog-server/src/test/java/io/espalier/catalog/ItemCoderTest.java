package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.inference.ModelException;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.testing.FunctionRunner;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Codebooks so small that ids run out. */
class ItemCoderTest {
  private static final int CODES = 4;
  private static final List<String> WORDS = AddedTokens.WORDS;

  private final AddedTokens added = new AddedTokens();
  private final FunctionRunner runner = added.runner;
  private final Map<String, List<Integer>> table =
      Map.of("a", List.of(0, 1, 2), "b", List.of(0, 1, 3), "c", List.of(3, 0, 0));
  private final ItemCoder coder =
      new ItemCoder(
          table, added.newItems(3, CODES, table.values(), Map.of(List.of(0, 1), new int[] {1})));

  @AfterEach
  void close() {
    coder.close();
  }

  @Test
  void assign_trainedItem_keepsItsOwnWhateverItSays() {
    assertThat(code(item("a", "coffee"))).isEqualTo(List.of(0, 1, 2));
    assertThat(code(item("a", ""))).isEqualTo(List.of(0, 1, 2));
    assertThat(runner.calls()).isEmpty();
  }

  @Test
  void assign_textOfWhichNothingIsKnown_saysSo() {
    assertThat(coder.assign(item("x", "")).reason())
        .isEqualTo("the item has no text (expected: title, brand or category)");
    coder.prepare(List.of(item("x", "ΩΩ ψ")));
    assertThat(coder.assign(item("x", "ΩΩ ψ")).reason())
        .isEqualTo("it knows no word of the item's text");
    assertThat(new ItemCoder(table, null).assign(item("x", "coffee")).reason())
        .isEqualTo("it was not trained on the item, and has no model for others");
  }

  @Test
  void assign_textLost_idIsLostAndFreeAgain() {
    List<Integer> first = code(item("x", "coffee"));
    assertThat(code(item("x", ""))).isEmpty();

    assertThat(code(item("y", "coffee"))).isEqualTo(first);
  }

  @Test
  void prepare_manyItems_runsTheModelForAsManyTextsAsItTakes() {
    coder.prepare(WORDS.stream().map(word -> item(word, word)).toList());
    assertThat(runner.calls()).hasSize(1);

    WORDS.forEach(word -> assertThat(coder.assign(item(word, word)).codes()).isNotEmpty());
    assertThat(runner.calls()).hasSize(1);
  }

  @Test
  void assign_modelIsOut_isToldOfAllItemsThatNeedItAfterOneRun() {
    List<Integer> known = code(item("known", "coffee"));
    int before = runner.calls().size();
    runner.fail(ModelException.Reason.NOT_READY);

    coder.prepare(
        List.of(item("x", "storage"), item("y", "camera"), item("known", "coffee"), item("a", "")));

    assertThat(runner.calls()).hasSize(before + 1);
    for (CatalogItem item : List.of(item("x", "storage"), item("y", "camera"))) {
      assertThatThrownBy(() -> coder.assign(item)).isInstanceOf(ModelException.class);
    }
    assertThat(coder.assign(item("known", "coffee")).codes()).isEqualTo(known);
    assertThat(coder.assign(item("a", "")).codes()).isEqualTo(List.of(0, 1, 2));
  }

  @Test
  void assign_modelFailsOnSomeTexts_othersGetTheIdsThatTheyWouldHaveGot() {
    Random random = new Random(22);
    for (int round = 0; round < 300; round++) {
      Set<String> bad = new HashSet<>(WORDS.subList(0, random.nextInt(4)));
      List<String> words = new ArrayList<>(WORDS);
      Collections.shuffle(words, random);
      List<CatalogItem> items = words.stream().map(word -> item(word, word)).toList();
      Map<String, List<Integer>> alone = new HashMap<>();
      added.failOn(Set.of());
      for (CatalogItem item : items) {
        coder.prepare(List.of(item));
        alone.put(item.id(), coder.assign(item).codes());
      }

      added.failOn(bad);
      coder.prepare(items);

      for (CatalogItem item : items) {
        if (bad.contains(item.title())) {
          assertThatThrownBy(() -> coder.assign(item)).isInstanceOf(ModelException.class);
        } else {
          assertThat(coder.assign(item).codes()).isEqualTo(alone.get(item.id()));
        }
      }
    }
  }

  @Test
  void assign_manyChanges_noItemMovesForAnother() {
    Random random = new Random(21);
    Map<String, CatalogItem> items = new HashMap<>();
    Map<String, List<Integer>> ids = new HashMap<>();
    int shared = 0;
    for (int change = 0; change < 20_000; change++) {
      String id = "item-" + random.nextInt(10 + change / 1000);
      if (random.nextInt(4) == 0) {
        coder.forget(id);
        items.remove(id);
        ids.remove(id);
        continue;
      }
      CatalogItem item = item(id, text(random));
      List<Integer> codes = code(item);
      CatalogItem before = items.put(id, item);
      List<Integer> old = ids.put(id, codes);

      assertThat(codes).hasSize(3);
      assertThat(codes.subList(0, 2)).isIn(List.of(0, 1), List.of(3, 0));
      if (before != null && before.title().equals(item.title())) {
        assertThat(codes).isEqualTo(old);
      }
      List<List<Integer>> others = new ArrayList<>(table.values());
      ids.forEach(
          (other, theirs) -> {
            if (!other.equals(id)) {
              others.add(theirs);
            }
          });
      boolean kept = codes.equals(old);
      if (!kept && others.contains(codes)) {
        shared++;
        assertThat(others)
            .as("ids of the prefix that are taken when one is shared")
            .containsAll(withEveryLast(codes));
      }
    }
    items.values().forEach(item -> assertThat(code(item)).isEqualTo(ids.get(item.id())));
    assertThat(shared).isPositive();
    assertThat(coder.drift().items()).isEqualTo(ids.size());
  }

  @Test
  void assign_firstOfAPrefix_getsTheListedCodeThenTheNearest() {
    // The vectors' sums differ, but both lie at prefix (0, 1).
    List<String> titles = WORDS.stream().filter(word -> at(word).equals(List.of(0, 1))).toList();
    assertThat(titles).hasSizeGreaterThan(1);

    assertThat(code(item("x", titles.get(0)))).isEqualTo(List.of(0, 1, 1));
    assertThat(code(item("y", titles.get(1)))).isEqualTo(List.of(0, 1, 0));
  }

  private List<Integer> at(String word) {
    coder.prepare(List.of(item("probe", word)));
    return coder.assign(item("probe", word)).codes().subList(0, 2);
  }

  private static List<List<Integer>> withEveryLast(List<Integer> codes) {
    return IntStream.range(0, CODES)
        .mapToObj(last -> List.of(codes.get(0), codes.get(1), last))
        .toList();
  }

  private List<Integer> code(CatalogItem item) {
    coder.prepare(List.of(item));
    List<Integer> codes = coder.assign(item).codes();
    coder.learn(item, codes);
    return codes;
  }

  private static String text(Random random) {
    return WORDS.get(random.nextInt(WORDS.size())) + " " + WORDS.get(random.nextInt(2));
  }

  private static CatalogItem item(String id, String title) {
    return new CatalogItem(
        id, title, "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }
}

package io.espalier.index.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.index.ItemIds;
import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.filter.ItemFilter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.roaringbitmap.RoaringBitmap;

class LiveItemsTest {
  private static final String ATTRIBUTE = "price";

  @Test
  void after_randomChanges_equalsACatalogueBuiltAfresh() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 3000; round++) {
      // What the catalogue is, in the order in which it came to know the items.
      Map<String, Double> truth = new LinkedHashMap<>();
      for (int item = random.nextInt(12); item > 0; item--) {
        truth.put("item-" + item, (double) random.nextInt(4));
      }
      LiveItems items = LiveItems.of(attributes(truth));
      for (int batch = random.nextInt(5); batch > 0; batch--) {
        List<ItemChange> changes = new ArrayList<>();
        for (int n = random.nextInt(6); n > 0; n--) {
          String id = "item-" + random.nextInt(20);
          if (random.nextInt(3) == 0) {
            truth.remove(id);
            changes.add(new ItemChange(id, null));
          } else {
            double price = random.nextInt(4);
            truth.put(id, price);
            changes.add(new ItemChange(id, Map.of(ATTRIBUTE, List.of(AttributeValue.of(price)))));
          }
        }
        items = items.after(changes);
        assertEqual(items, truth);
        if (random.nextInt(3) == 0) {
          items = compacted(items);
          assertEqual(items, truth);
        }
      }
    }
  }

  @Test
  void matching_randomFilters_equalsThoseOfACatalogueBuiltAfresh() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 3000; round++) {
      LiveItems items = LiveItems.of(ItemAttributes.builder(ItemIds.of(List.of())).build());
      for (int batch = 1 + random.nextInt(4); batch > 0; batch--) {
        List<ItemChange> changes = new ArrayList<>();
        for (int n = random.nextInt(8); n > 0; n--) {
          changes.add(
              new ItemChange(
                  "item-" + random.nextInt(12),
                  random.nextInt(4) == 0 ? null : randomAttributes(random)));
        }
        items = items.after(changes);
        if (random.nextInt(3) == 0) {
          items = items.compacted().items();
        }
      }
      LiveItems.Compacted afresh = items.compacted();
      for (int n = 0; n < 4; n++) {
        ItemFilter filter = randomFilter(random, 3);
        RoaringBitmap expected = new RoaringBitmap();
        RoaringBitmap matching = items.matching(filter);
        matching.forEach((int index) -> expected.add(afresh.numbers().of(index)));
        assertThat(afresh.items().matching(filter)).as("%s", filter).isEqualTo(expected);
        assertThat(expected.getCardinality()).isEqualTo(matching.getCardinality());
      }
    }
  }

  private static AttributeValue randomValue(Random random) {
    return switch (random.nextInt(3)) {
      case 0 -> AttributeValue.of(random.nextInt(4) - 1.0);
      case 1 -> AttributeValue.of("text-" + random.nextInt(2));
      default -> AttributeValue.of(random.nextBoolean());
    };
  }

  private static Map<String, List<AttributeValue>> randomAttributes(Random random) {
    Map<String, List<AttributeValue>> attributes = new HashMap<>();
    for (int n = random.nextInt(3); n > 0; n--) {
      attributes
          .computeIfAbsent("attribute-" + random.nextInt(2), name -> new ArrayList<>())
          .add(randomValue(random));
    }
    return attributes;
  }

  private static ItemFilter randomFilter(Random random, int depth) {
    String attribute = "attribute-" + random.nextInt(3);
    return switch (random.nextInt(depth == 0 ? 4 : 7)) {
      case 0 -> new ItemFilter.Equals(attribute, randomValue(random));
      case 1 -> new ItemFilter.In(attribute, Set.of(randomValue(random)));
      case 2 ->
          new ItemFilter.Range(
              attribute,
              random.nextInt(3) == 0 ? Double.NEGATIVE_INFINITY : random.nextInt(4) - 1,
              random.nextInt(3) == 0 ? Double.POSITIVE_INFINITY : random.nextInt(4) - 1);
      case 3 -> new ItemFilter.Ids(Set.of("item-" + random.nextInt(14)));
      case 4 -> new ItemFilter.Not(randomFilter(random, depth - 1));
      case 5 -> new ItemFilter.AllOf(randomFilters(random, depth - 1));
      default -> new ItemFilter.AnyOf(randomFilters(random, depth - 1));
    };
  }

  private static List<ItemFilter> randomFilters(Random random, int depth) {
    return Stream.generate(() -> randomFilter(random, depth)).limit(random.nextInt(3)).toList();
  }

  private static LiveItems compacted(LiveItems before) {
    LiveItems.Compacted compacted = before.compacted();
    LiveItems after = compacted.items();
    assertThat(after.isSnapshot()).isTrue();
    assertThat(after.changes()).isZero();
    assertThat(compacted.numbers().size()).isEqualTo(before.size());
    for (int index = 0; index < compacted.numbers().before(); index++) {
      int now = compacted.numbers().of(index);
      assertThat(now >= 0).isEqualTo(before.all().contains(index));
      if (now >= 0) {
        assertThat(after.id(now)).isEqualTo(before.id(index));
      }
    }
    return after;
  }

  private static void assertEqual(LiveItems items, Map<String, Double> truth) {
    ItemAttributes rebuilt = attributes(truth);
    assertThat(items.size()).isEqualTo(truth.size());
    List<String> inOrder = new ArrayList<>();
    items.all().forEach((int index) -> inOrder.add(items.id(index)));
    assertThat(inOrder).containsExactlyElementsOf(truth.keySet());
    for (int n = 0; n < 20; n++) {
      String id = "item-" + n;
      assertThat(items.indexOf(id) >= 0).isEqualTo(truth.containsKey(id));
      if (truth.containsKey(id)) {
        assertThat(items.id(items.indexOf(id))).isEqualTo(id);
      }
    }
    for (ItemFilter filter :
        List.of(
            new ItemFilter.Range(ATTRIBUTE, 1, 2),
            new ItemFilter.Not(new ItemFilter.Equals(ATTRIBUTE, AttributeValue.of(3.0))),
            new ItemFilter.AllOf(List.of()),
            new ItemFilter.Ids(Set.of("item-1", "item-7", "item-19")))) {
      List<String> matching = new ArrayList<>();
      items.matching(filter).forEach((int index) -> matching.add(items.id(index)));
      List<String> expected = new ArrayList<>();
      rebuilt.compile(filter).forEach((int index) -> expected.add(rebuilt.ids().id(index)));
      assertThat(matching).isEqualTo(expected);
    }
  }

  private static ItemAttributes attributes(Map<String, Double> truth) {
    ItemAttributes.Builder builder =
        ItemAttributes.builder(ItemIds.of(List.copyOf(truth.keySet())));
    int index = 0;
    for (double price : truth.values()) {
      builder.add(index++, ATTRIBUTE, AttributeValue.of(price));
    }
    return builder.build();
  }
}

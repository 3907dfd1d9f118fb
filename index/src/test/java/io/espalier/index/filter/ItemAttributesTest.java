package io.espalier.index.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.ItemIds;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ItemAttributesTest {
  private static final List<String> ATTRIBUTES = List.of("brand", "price", "in_stock", "mixed");

  @Test
  void compile_randomFilters_equalsBruteForce() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 300; round++) {
      int size = random.nextInt(200);
      ItemIds ids = ItemIds.of(IntStream.range(0, size).mapToObj(i -> "i" + i).toList());
      ItemAttributes.Builder builder = ItemAttributes.builder(ids);
      List<Map<String, Set<AttributeValue>>> items = new ArrayList<>();
      for (int item = 0; item < size; item++) {
        Map<String, Set<AttributeValue>> attributes = new HashMap<>();
        for (String attribute : ATTRIBUTES) {
          for (int n = random.nextInt(3); n > 0; n--) {
            AttributeValue value = value(random, attribute);
            attributes.computeIfAbsent(attribute, a -> new HashSet<>()).add(value);
            builder.add(item, attribute, value);
          }
        }
        items.add(attributes);
      }
      ItemAttributes compiled = builder.build();
      for (int n = 0; n < 30; n++) {
        ItemFilter filter = filter(random, 4);
        int[] expected =
            IntStream.range(0, size)
                .filter(item -> matches(filter, "i" + item, items.get(item)))
                .toArray();
        // Twice: compiled, then from the cache.
        assertThat(compiled.compile(filter).toArray()).as("%s", filter).isEqualTo(expected);
        assertThat(compiled.compile(filter).toArray()).isEqualTo(expected);
      }
    }
  }

  @Test
  void compile_unknownAttribute_matchesNothingAndItsNegationEverything() {
    ItemAttributes attributes =
        ItemAttributes.builder(ItemIds.of(List.of("a", "b")))
            .add(0, "colour", AttributeValue.of("red"))
            .build();
    ItemFilter unknown = new ItemFilter.Equals("size", AttributeValue.of(3));

    assertThat(attributes.compile(unknown).isEmpty()).isTrue();
    assertThat(attributes.compile(new ItemFilter.Range("size", 0, 9)).isEmpty()).isTrue();
    assertThat(attributes.compile(new ItemFilter.Not(unknown)).toArray()).containsExactly(0, 1);
    assertThat(attributes.compile(new ItemFilter.AllOf(List.of())).toArray()).containsExactly(0, 1);
    assertThat(attributes.compile(new ItemFilter.AnyOf(List.of())).isEmpty()).isTrue();
  }

  @Test
  void compile_kindsOfOneSpelling_areDifferentValues() {
    ItemAttributes attributes =
        ItemAttributes.builder(ItemIds.of(List.of("text", "number", "zero")))
            .add(0, "a", AttributeValue.of("1"))
            .add(1, "a", AttributeValue.of(1))
            .add(2, "a", AttributeValue.of(-0.0))
            .build();

    assertThat(attributes.compile(new ItemFilter.Equals("a", AttributeValue.of("1"))).toArray())
        .containsExactly(0);
    assertThat(attributes.compile(new ItemFilter.Equals("a", AttributeValue.of(1))).toArray())
        .containsExactly(1);
    assertThat(attributes.compile(new ItemFilter.Equals("a", AttributeValue.of(0.0))).toArray())
        .containsExactly(2);
    assertThat(attributes.compile(new ItemFilter.Range("a", -0.0, 0.5)).toArray())
        .containsExactly(2);
  }

  @Test
  void add_itemOutOfRange_isRefused() {
    assertThatThrownBy(
            () ->
                ItemAttributes.builder(ItemIds.of(List.of("a")))
                    .add(1, "x", AttributeValue.of(true)))
        .hasMessage("item: 1 (expected: 0..0)");
  }

  @Test
  void of_sameIdTwice_namesBothPositions() {
    assertThatThrownBy(() -> ItemIds.of(List.of("a", "b", "a")))
        .hasMessage("id: a at 2 (expected: not the id of item 0)");
  }

  private static AttributeValue value(Random random, String attribute) {
    return switch (attribute) {
      case "brand" -> AttributeValue.of("b" + random.nextInt(5));
      case "price" -> AttributeValue.of(random.nextInt(10) / 2.0);
      case "in_stock" -> AttributeValue.of(random.nextBoolean());
      default ->
          random.nextBoolean()
              ? AttributeValue.of(random.nextInt(3))
              : AttributeValue.of("" + random.nextInt(3));
    };
  }

  private static ItemFilter filter(Random random, int depth) {
    String attribute = ATTRIBUTES.get(random.nextInt(ATTRIBUTES.size()));
    return switch (random.nextInt(depth == 0 ? 4 : 7)) {
      case 0 -> new ItemFilter.Equals(attribute, value(random, attribute));
      case 1 ->
          new ItemFilter.In(attribute, Set.of(value(random, "brand"), value(random, "price")));
      case 2 -> {
        double min = random.nextInt(6) - 0.25 * random.nextInt(3);
        yield new ItemFilter.Range(
            attribute,
            random.nextInt(4) == 0 ? Double.NEGATIVE_INFINITY : min,
            random.nextInt(4) == 0 ? Double.POSITIVE_INFINITY : min + random.nextInt(3));
      }
      case 3 ->
          new ItemFilter.Ids(
              random.ints(5, 0, 250).mapToObj(i -> "i" + i).collect(Collectors.toSet()));
      case 4 -> new ItemFilter.AllOf(operands(random, depth - 1));
      case 5 -> new ItemFilter.AnyOf(operands(random, depth - 1));
      default -> new ItemFilter.Not(filter(random, depth - 1));
    };
  }

  private static List<ItemFilter> operands(Random random, int depth) {
    return IntStream.rangeClosed(0, random.nextInt(3))
        .mapToObj(n -> filter(random, depth))
        .toList();
  }

  private static boolean matches(
      ItemFilter filter, String id, Map<String, Set<AttributeValue>> item) {
    return switch (filter) {
      case ItemFilter.Equals e -> item.getOrDefault(e.attribute(), Set.of()).contains(e.value());
      case ItemFilter.In in ->
          item.getOrDefault(in.attribute(), Set.of()).stream().anyMatch(in.values()::contains);
      case ItemFilter.Range range ->
          item.getOrDefault(range.attribute(), Set.of()).stream()
              .anyMatch(
                  v ->
                      v instanceof AttributeValue.Numeric(double number)
                          && number >= range.min()
                          && number <= range.max());
      case ItemFilter.AllOf all -> all.operands().stream().allMatch(f -> matches(f, id, item));
      case ItemFilter.AnyOf any -> any.operands().stream().anyMatch(f -> matches(f, id, item));
      case ItemFilter.Not not -> !matches(not.operand(), id, item);
      case ItemFilter.Ids wanted -> wanted.ids().contains(id);
    };
  }
}

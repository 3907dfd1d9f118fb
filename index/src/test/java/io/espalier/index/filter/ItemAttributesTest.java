package io.espalier.index.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.ItemIds;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ItemAttributesTest {
  private static final List<String> ATTRIBUTES = List.of("brand", "price", "in_stock", "mixed");

  @TempDir Path dir;

  @Test
  void compile_randomFilters_equalsBruteForceOnTheHeapOffItAndMapped() throws IOException {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 300; round++) {
      // Now and then so many that values are kept as bitmaps.
      int size = random.nextInt(round % 20 == 0 ? 3000 : 200);
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
      ItemAttributes built = builder.build();
      Path file = dir.resolve("items");
      built.write(file, () -> {});
      List<ItemAttributes> all = List.of(built, built.packed(), ItemAttributes.open(file));
      for (int item = 0; item < size; item++) {
        assertThat(all.get(2).ids().id(item)).isEqualTo("i" + item);
        assertThat(all.get(2).ids().indexOf("i" + item)).isEqualTo(item);
      }
      assertThat(all.get(2).ids().indexOf("i" + size)).isEqualTo(-1);
      for (int n = 0; n < 30; n++) {
        ItemFilter filter = filter(random, 4);
        int[] expected =
            IntStream.range(0, size)
                .filter(item -> matches(filter, "i" + item, items.get(item)))
                .toArray();
        for (ItemAttributes compiled : all) {
          // Twice: compiled, then from the cache.
          assertThat(compiled.compile(filter).toArray()).as("%s", filter).isEqualTo(expected);
          assertThat(compiled.compile(filter).toArray()).isEqualTo(expected);
        }
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

  /** Two parts whose items are mixed anew, some left out. */
  @Test
  void merged_randomParts_isBuiltAtOnce() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      int size = random.nextInt(60);
      ItemIds ids = ItemIds.of(IntStream.range(0, size).mapToObj(i -> "i" + i).toList());
      // Where each item stands: in the first part, the second, or neither any more.
      int[] part = random.ints(size, 0, 3).toArray();
      List<int[]> rows = new ArrayList<>();
      ItemAttributes.Builder[] parts = new ItemAttributes.Builder[2];
      for (int p = 0; p < 2; p++) {
        int wanted = p;
        rows.add(IntStream.range(0, size).filter(i -> part[i] == wanted).toArray());
        parts[p] =
            ItemAttributes.builder(
                ItemIds.of(Arrays.stream(rows.get(p)).mapToObj(i -> "i" + i).toList()));
      }
      int[] dropped = random.ints(size, 0, 4).toArray();
      ItemAttributes.Builder whole = ItemAttributes.builder(ids);
      for (int p = 0; p < 2; p++) {
        for (int row = 0; row < rows.get(p).length; row++) {
          int item = rows.get(p)[row];
          for (String attribute : ATTRIBUTES) {
            AttributeValue value = value(random, attribute);
            parts[p].add(row, attribute, value);
            if (dropped[item] != 0) {
              whole.add(item, attribute, value);
            }
          }
        }
      }

      ItemAttributes merged =
          ItemAttributes.merged(
              ids,
              parts[0].build().packed(),
              row -> dropped[rows.get(0)[row]] == 0 ? -1 : rows.get(0)[row],
              parts[1].build(),
              row -> dropped[rows.get(1)[row]] == 0 ? -1 : rows.get(1)[row],
              Arena.ofAuto(),
              () -> {});

      ItemAttributes expected = whole.build();
      for (int n = 0; n < 10; n++) {
        ItemFilter filter = filter(random, 2);
        assertThat(merged.compile(filter)).as("%s", filter).isEqualTo(expected.compile(filter));
      }
    }
  }

  @Test
  void open_anyByteChanged_isRefused() throws IOException {
    Path file = dir.resolve("items");
    ItemAttributes.builder(ItemIds.of(List.of("a", "b")))
        .add(0, "colour", AttributeValue.of("red"))
        .add(1, "colour", AttributeValue.of("blue"))
        .build()
        .write(file, () -> {});
    byte[] whole = Files.readAllBytes(file);
    Random random = new Random(5);
    for (int n = 0; n < 300; n++) {
      byte[] spoilt = whole.clone();
      // In the header, which holds the sections' checksums, or in the first section.
      spoilt[random.nextInt(4096 + 2)] ^= (byte) (1 << random.nextInt(8));
      Files.write(file, spoilt);
      assertThatThrownBy(() -> ItemAttributes.open(file)).isInstanceOf(IOException.class);
      // Up to 63 bytes at the end are padding.
      Files.write(file, Arrays.copyOf(whole, random.nextInt(whole.length - 64)));
      assertThatThrownBy(() -> ItemAttributes.open(file)).isInstanceOf(IOException.class);
    }
  }

  @Test
  void indexOf_manyIds_findsEachAndNoOther() {
    List<String> known = IntStream.range(0, 20_000).mapToObj(n -> "é-" + n * 2).toList();
    ItemIds ids = ItemIds.of(known);
    for (int n = 0; n < 40_000; n++) {
      assertThat(ids.indexOf("é-" + n)).isEqualTo(n % 2 == 0 ? n / 2 : -1);
    }
    assertThat(ItemIds.of(List.of()).indexOf("")).isEqualTo(-1);
    assertThat(ItemIds.of(List.of("")).indexOf("")).isZero();
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

package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.catalog.v1.Equals;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.catalog.v1.Value;
import io.espalier.stores.catalog.AttributeValue;
import io.espalier.stores.catalog.CatalogItem;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class CallerRulesTest {
  private static final long SEED = 4711;

  private static CatalogItem item(int number, Random random) {
    return new CatalogItem(
        "i" + number,
        "title " + number,
        "brand " + random.nextInt(4),
        List.of("all", "part " + random.nextInt(3)),
        "",
        OptionalDouble.of(random.nextInt(100)),
        Map.of("waterproof", new AttributeValue.Flag(random.nextBoolean())),
        random.nextInt(3) == 0 ? "" : "group " + random.nextInt(5),
        OptionalLong.empty());
  }

  private static Map<String, CatalogItem> catalogue(Random random) {
    Map<String, CatalogItem> items = new LinkedHashMap<>();
    for (int i = 0; i < 40; i++) {
      items.put("i" + i, item(i, random));
    }
    return items;
  }

  private static List<ListItem> list(Random random, ScoreKind kind) {
    List<ListItem> list = new ArrayList<>();
    double score = kind == ScoreKind.SCORE_KIND_LOG_PROBABILITY ? -1 : 100;
    for (int i : random.ints(0, 40).distinct().limit(random.nextInt(30)).toArray()) {
      list.add(new ListItem("i" + i, score, kind, List.of(), List.of(), List.of()));
      // Ties on purpose.
      score -= random.nextInt(2);
    }
    return list;
  }

  private static List<Route.Rule> rules(String yaml) {
    return RouteFile.parse(
            "name: f\nkind: feed\nsources: [{bundle: a@1}]\nrules:\n" + yaml, "rules")
        .base()
        .rules();
  }

  private static List<String> ids(List<ListItem> items) {
    return items.stream().map(ListItem::id).toList();
  }

  @Test
  void apply_pins_landWhereTheyShouldAndOthersKeepTheirOrder() {
    Random random = new Random(SEED);
    for (int round = 0; round < 500; round++) {
      Map<String, CatalogItem> items = catalogue(random);
      List<ListItem> list = list(random, ScoreKind.SCORE_KIND_RECIPROCAL_RANK);
      int position = random.nextInt(12);
      List<String> pinned =
          random
              .ints(0, 50)
              .distinct()
              .limit(1 + random.nextInt(3))
              .mapToObj(i -> "i" + i)
              .toList();
      Set<String> excluded = random.nextBoolean() ? Set.of(pinned.getFirst()) : Set.of();
      List<ListItem> ruled =
          new CallerRules(id -> Optional.ofNullable(items.get(id)))
              .apply(
                  rules("  - pin: {ids: %s, position: %d}".formatted(pinned, position)),
                  list.stream().filter(item -> !excluded.contains(item.id())).toList(),
                  Optional.empty(),
                  excluded)
              .items();
      List<String> legal =
          pinned.stream().filter(id -> items.containsKey(id) && !excluded.contains(id)).toList();
      List<String> others =
          ids(list).stream().filter(id -> !legal.contains(id) && !excluded.contains(id)).toList();
      int start = Math.min(position, others.size());
      List<String> expected = new ArrayList<>(others);
      expected.addAll(start, legal);
      assertThat(ids(ruled)).as("seed %d, round %d", SEED, round).isEqualTo(expected);
    }
  }

  @Test
  void apply_pinOutsideTheFilter_isNotPinned() {
    Map<String, CatalogItem> items = catalogue(new Random(SEED));
    Filter cheap =
        Filter.newBuilder().setRange(Range.newBuilder().setAttribute("price").setMax(50)).build();
    List<String> dear =
        items.values().stream()
            .filter(item -> item.price().orElse(0) > 50)
            .map(CatalogItem::id)
            .toList();
    List<ListItem> ruled =
        new CallerRules(id -> Optional.ofNullable(items.get(id)))
            .apply(
                rules("  - pin: {ids: %s, position: 0}".formatted(dear)),
                List.of(),
                Optional.of(cheap),
                Set.of())
            .items();
    assertThat(dear).isNotEmpty();
    assertThat(ruled).isEmpty();
  }

  @Test
  void apply_groups_keepTheBestNOfEachValueInOrder() {
    Random random = new Random(SEED);
    for (int round = 0; round < 500; round++) {
      Map<String, CatalogItem> items = catalogue(random);
      List<ListItem> list = list(random, ScoreKind.SCORE_KIND_RECIPROCAL_RANK);
      int max = 1 + random.nextInt(3);
      CallerRules.Ruled ruled =
          new CallerRules(id -> Optional.ofNullable(items.get(id)))
              .apply(
                  rules("  - group: {attribute: group, max: %d}".formatted(max)),
                  list,
                  Optional.empty(),
                  Set.of());
      Map<String, Integer> kept = new HashMap<>();
      List<String> expected = new ArrayList<>();
      for (String id : ids(list)) {
        String group = Objects.requireNonNull(items.get(id)).group();
        if (group.isEmpty() || kept.merge(group, 1, Integer::sum) <= max) {
          expected.add(id);
        }
      }
      assertThat(ids(ruled.items())).as("seed %d, round %d", SEED, round).isEqualTo(expected);
      assertThat(ruled.removed().keySet())
          .isEqualTo(
              ids(list).stream().filter(id -> !expected.contains(id)).collect(Collectors.toSet()));
    }
  }

  @Test
  void apply_boostAndBury_moveOnlyWhatTheyNameAndTiesStay() {
    Random random = new Random(SEED);
    for (ScoreKind kind :
        List.of(ScoreKind.SCORE_KIND_RECIPROCAL_RANK, ScoreKind.SCORE_KIND_LOG_PROBABILITY)) {
      for (int round = 0; round < 300; round++) {
        Map<String, CatalogItem> items = catalogue(random);
        List<ListItem> list = list(random, kind);
        List<ListItem> ruled =
            new CallerRules(id -> Optional.ofNullable(items.get(id)))
                .apply(
                    rules(
                        """
                          - boost:
                              factor: 3
                              filter: {equals: {attribute: brand, value: {text: brand 1}}}
                          - bury: {factor: 0.25, ids: [i1, i2, i3]}
                        """),
                    list,
                    Optional.empty(),
                    Set.of())
                .items();
        assertThat(ids(ruled)).containsExactlyInAnyOrderElementsOf(ids(list));
        for (int i = 1; i < ruled.size(); i++) {
          ListItem above = ruled.get(i - 1);
          ListItem below = ruled.get(i);
          assertThat(above.score()).isGreaterThanOrEqualTo(below.score());
          if (above.score() == below.score()) {
            assertThat(ids(list).indexOf(above.id()))
                .as("seed %d, round %d", SEED, round)
                .isLessThan(ids(list).indexOf(below.id()));
          }
        }
        for (ListItem item : ruled) {
          boolean boosted = Objects.requireNonNull(items.get(item.id())).brand().equals("brand 1");
          boolean buried = Set.of("i1", "i2", "i3").contains(item.id());
          assertThat(item.rules()).hasSize((boosted ? 1 : 0) + (buried ? 1 : 0));
          double before =
              list.stream().filter(i -> i.id().equals(item.id())).findFirst().get().score();
          if (boosted && !buried) {
            assertThat(item.score()).isGreaterThan(before);
          } else if (buried && !boosted) {
            assertThat(item.score()).isLessThanOrEqualTo(before);
          } else if (!boosted) {
            assertThat(item.score()).isEqualTo(before);
          }
        }
      }
    }
  }

  @Test
  void apply_noRules_listIsUntouched() {
    List<ListItem> list = list(new Random(SEED), ScoreKind.SCORE_KIND_RECIPROCAL_RANK);
    assertThat(new CallerRules(null).apply(List.of(), list, Optional.empty(), Set.of()).items())
        .isSameAs(list);
  }

  @Test
  void of_filters_areWhatTheProtoSays() {
    CatalogItem item =
        new CatalogItem(
            "x",
            "",
            "Acme",
            List.of("Beauty", "Hair", "Shampoo"),
            "",
            OptionalDouble.of(12.5),
            Map.of(
                "colour", new AttributeValue.Text("red"),
                "vegan", new AttributeValue.Flag(true)),
            "g",
            OptionalLong.of(3));
    assertThat(ItemPredicate.of(equal("brand", "Acme")).test(item)).isTrue();
    assertThat(ItemPredicate.of(equal("brand", "acme")).test(item)).isFalse();
    assertThat(ItemPredicate.of(equal("category", "Hair")).test(item)).isTrue();
    assertThat(ItemPredicate.of(equal("category", "Beard")).test(item)).isFalse();
    assertThat(ItemPredicate.of(equal("colour", "red")).test(item)).isTrue();
    assertThat(ItemPredicate.of(equal("group", "g")).test(item)).isTrue();
    Filter absent = equal("size", "L");
    assertThat(ItemPredicate.of(absent).test(item)).isFalse();
    assertThat(ItemPredicate.of(Filter.newBuilder().setNot(absent).build()).test(item)).isTrue();
    assertThat(ItemPredicate.of(range("price", 12.5, 12.5)).test(item)).isTrue();
    assertThat(ItemPredicate.of(range("stock", 4, 9)).test(item)).isFalse();
    assertThat(ItemPredicate.of(range("colour", 0, 9)).test(item)).isFalse();
    assertThat(
            ItemPredicate.of(
                    Filter.newBuilder()
                        .setEquals(
                            Equals.newBuilder()
                                .setAttribute("vegan")
                                .setValue(Value.newBuilder().setFlag(true)))
                        .build())
                .test(item))
        .isTrue();
    Filter.Builder all = Filter.newBuilder();
    all.getAllOfBuilder().addFilters(equal("brand", "Acme")).addFilters(absent);
    assertThat(ItemPredicate.of(all.build()).test(item)).isFalse();
    Filter.Builder any = Filter.newBuilder();
    any.getAnyOfBuilder().addFilters(equal("brand", "Acme")).addFilters(absent);
    assertThat(ItemPredicate.of(any.build()).test(item)).isTrue();
    Filter.Builder ids = Filter.newBuilder();
    ids.getIdsBuilder().addIds("x");
    assertThat(ItemPredicate.of(ids.build()).test(item)).isTrue();
    Filter.Builder in = Filter.newBuilder();
    in.getInBuilder().setAttribute("brand").addValues(Value.newBuilder().setText("Acme"));
    assertThat(ItemPredicate.of(in.build()).test(item)).isTrue();
  }

  private static Filter equal(String attribute, String text) {
    return Filter.newBuilder()
        .setEquals(
            Equals.newBuilder().setAttribute(attribute).setValue(Value.newBuilder().setText(text)))
        .build();
  }

  private static Filter range(String attribute, double min, double max) {
    return Filter.newBuilder()
        .setRange(Range.newBuilder().setAttribute(attribute).setMin(min).setMax(max))
        .build();
  }
}

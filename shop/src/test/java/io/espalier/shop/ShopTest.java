package io.espalier.shop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.shop.History.Search;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class ShopTest {
  private static final ShopConfig CONFIG = new ShopConfig(3, 1_200, 1_000, 540, 60);

  private static Shop shop;

  @BeforeAll
  static void generate() {
    shop = Shop.generate(CONFIG);
  }

  @Test
  void config_outOfRange_namesTheValue() {
    assertThatThrownBy(() -> CONFIG.withProducts(3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("products: 3 (expected: 500..50000)");
    assertThatThrownBy(() -> CONFIG.withUsers(0)).hasMessageContaining("users: 0");
  }

  @Test
  void items_all_haveWhatAProductPageNeeds() {
    List<Item> items = shop.items();

    assertThat(items).hasSize(1_200);
    assertThat(items.stream().map(Item::id)).doesNotHaveDuplicates();
    assertThat(items.stream().map(Item::title).distinct().count()).isGreaterThan(1_180);
    for (Item item : items) {
      assertThat(item.title()).contains(item.brand()).doesNotContain("{").doesNotContain("  ");
      assertThat(item.description()).endsWith(".").doesNotContain("{").doesNotContain("  ");
      assertThat(item.category()).hasSize(3);
      assertThat(item.price()).isPositive();
      assertThat(Math.rint(item.price() * 100) / 100).isEqualTo(item.price());
      assertThat(item.attributes()).containsKey("colour");
      assertThat(item.stock()).isNotNegative();
      assertThat(item.launched()).isLessThan(CONFIG.days());
    }
  }

  @Test
  void items_accessories_nameAProductThatExists() {
    Set<Integer> mains =
        shop.products().stream()
            .filter(product -> !product.type().isAccessory())
            .map(Product::group)
            .collect(Collectors.toSet());
    List<Product> accessories =
        shop.products().stream().filter(product -> product.type().isAccessory()).toList();

    assertThat(accessories).hasSizeBetween(50, 250);
    for (Product accessory : accessories) {
      assertThat(mains).contains(accessory.fits());
      assertThat(accessory.item().title()).contains(" for ");
      assertThat(accessory.item().category().getLast()).endsWith(" Accessories");
    }
  }

  @Test
  void items_variants_shareBrandAndType() {
    Map<Integer, Product> first = new HashMap<>();
    for (Product product : shop.products()) {
      Product sibling = first.computeIfAbsent(product.group(), group -> product);
      assertThat(product.type().id()).isEqualTo(sibling.type().id());
      assertThat(product.brand().name()).isEqualTo(sibling.brand().name());
    }
    assertThat(shop.items().stream().map(Item::group).distinct().count()).isBetween(500L, 1_100L);
  }

  @Test
  void sequences_allUsers_haveFiveDifferentItemsOrMore() {
    List<int[]> sequences = shop.sequences();

    assertThat(sequences).hasSize(1_000);
    for (int[] sequence : sequences) {
      assertThat(sequence).hasSizeGreaterThanOrEqualTo(5).doesNotHaveDuplicates();
    }
  }

  @Test
  void sequences_figures_areNearAmazonBeautys() {
    SequenceFigures figures = new SequenceFigures(shop.sequences(), shop.items().size());

    assertThat(figures.meanLength()).isBetween(8.0, 10.0);
    assertThat(figures.gini()).isBetween(0.4, 0.65);
    assertThat(figures.repeats()).isZero();
  }

  @Test
  void oracle_recall_isFarAboveSimpleForecasts() {
    SequenceFigures figures = new SequenceFigures(shop.sequences(), shop.items().size());
    double oracle = figures.recall(shop.oracle(), 10);

    assertThat(oracle).isBetween(0.3, 0.8);
    assertThat(figures.popularity(10)).isLessThan(oracle / 4);
    assertThat(figures.cooccurrence(10)).isGreaterThan(figures.popularity(10)).isLessThan(oracle);
  }

  @Test
  void oracle_lists_holdOnlyItemsTheUserCouldBuy() {
    List<int[]> oracle = shop.oracle();
    List<int[]> sequences = shop.sequences();
    for (int u = 0; u < oracle.size(); u++) {
      assertThat(oracle.get(u)).hasSizeBetween(10, Oracle.LENGTH).doesNotHaveDuplicates();
      int[] sequence = sequences.get(u);
      for (int i = 0; i < sequence.length - 1; i++) {
        assertThat(oracle.get(u)).doesNotContain(sequence[i]);
      }
    }
  }

  @Test
  void events_all_areInOrderAndOnlyOfItemsOnSale() {
    List<Event> wrong = new ArrayList<>();
    for (History history : shop.histories()) {
      long last = 0;
      for (Event event : history.events()) {
        int day = (int) ((event.time() - ShopConfig.START) / 86_400);
        Availability availability = shop.products().get(event.product()).availability();
        if (event.time() < last || !availability.on(Math.min(day, CONFIG.days() - 1))) {
          wrong.add(event);
        }
        last = event.time();
      }
    }
    assertThat(wrong).isEmpty();
  }

  @Test
  void events_heldOut_holdTheLastTwoPurchasesAndNoOthers() {
    for (History history : shop.regulars()) {
      Set<Integer> seen = new HashSet<>();
      for (Event event : history.events()) {
        if (event.kind() == Event.Kind.PURCHASE && !history.heldOut(event.time())) {
          seen.add(event.product());
        }
      }
      int[] sequence = history.sequence();
      assertThat(seen).hasSize(sequence.length - 2);
      assertThat(seen).doesNotContain(sequence[sequence.length - 1], sequence[sequence.length - 2]);
    }
  }

  @Test
  void events_impressions_areClickedMoreOftenAtTheTop() {
    long[] shown = new long[12];
    long[] clicked = new long[12];
    for (History history : shop.histories()) {
      for (Event event : history.events()) {
        if (event.kind() == Event.Kind.IMPRESSION && event.position() < 12) {
          shown[event.position()]++;
          clicked[event.position()] += event.clicked() ? 1 : 0;
        }
      }
    }
    assertThat((double) clicked[0] / shown[0]).isGreaterThan(1.5 * clicked[6] / shown[6]);
  }

  @Test
  void queries_test_areSeventyPercentUnseen() {
    assertThat(shop.queries().unseenShare()).isBetween(0.65, 0.75);
    assertThat(shop.queries().testQueries()).hasSizeGreaterThan(500);
  }

  @Test
  void lexicon_withheldHalf_isNeverInTrainingSearches() {
    Lexicon lexicon = shop.lexicon();
    long withheld = lexicon.entries().stream().filter(Lexicon.Entry::withheld).count();

    assertThat((double) withheld / lexicon.entries().size()).isBetween(0.4, 0.6);
    assertThat(lexicon.entries().stream().map(Lexicon.Entry::written)).doesNotHaveDuplicates();
    assertThat(shop.queries().trainQueries()).noneMatch(lexicon::leaks);
    assertThat(shop.queries().testQueries()).anyMatch(lexicon::leaks);
    List<String> leaking = new ArrayList<>();
    for (History history : shop.histories()) {
      for (Search search : history.searches()) {
        if (!history.heldOut(search.time()) && lexicon.leaks(search.query())) {
          leaking.add(search.query());
        }
      }
    }
    assertThat(leaking).isEmpty();
  }

  @Test
  void judged_all_areTestQueriesWithEveryExactProduct() {
    List<Shop.Judged> judged = shop.judged();

    assertThat(judged).hasSize(60);
    assertThat(shop.queries().testQueries())
        .containsAll(judged.stream().map(Shop.Judged::query).toList());
    for (Shop.Judged query : judged) {
      Intent intent = shop.queries().intent(query.query());
      for (Judge.Judgment judgment : query.judgments()) {
        Product product = shop.products().get(judgment.product());
        assertThat(judgment.grade()).isBetween(0, 3);
        if (judgment.grade() == 3) {
          assertThat(product.type().id()).isEqualTo(intent.type().id());
          assertThat(intent.missed(product)).isZero();
        }
        if (product.type().accessoryOf().equals(intent.type().id())) {
          assertThat(judgment.grade()).as(query.query()).isZero();
        }
      }
    }
  }

  @Test
  void report_withoutRealData_hasEveryFigureOfTheShop() throws Exception {
    assertThat(ShopReport.of(shop, null))
        .contains(
            "Gini", "repeated purchases", "oracle, recall@10", "test queries not in training");
  }
}

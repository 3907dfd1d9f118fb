package io.espalier.shop;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A generated shop: its items, what its users did, and what the generator knows that they do not
 * show. Equal configurations give equal shops on every machine: all randomness comes from
 * splittable seeds, all mathematics from {@link StrictMath}, and users are independent of one
 * another, so that the number of threads does not matter.
 */
public final class Shop {
  /** Version of the generator: it changes when a seed no longer gives the same bytes. */
  public static final int VERSION = 1;

  private static final int LIGHT_USERS = 8;
  private static final int MOST_PURCHASES = 200;

  private final ShopConfig config;
  private final List<Product> products;
  private final List<History> histories;
  private final QueryLog queries;
  private final Lexicon lexicon;
  private final Judge judge;

  private Shop(
      ShopConfig config,
      List<Product> products,
      List<History> histories,
      QueryLog queries,
      Lexicon lexicon,
      Judge judge) {
    this.config = config;
    this.products = products;
    this.histories = histories;
    this.queries = queries;
    this.lexicon = lexicon;
    this.judge = judge;
  }

  /** Generates a shop; the default size takes a few seconds. */
  public static Shop generate(ShopConfig config) {
    Dice dice = new Dice(config.seed());
    ProductTypes types = ProductTypes.load();
    List<Brand> brands = Brand.load(dice.split("brands"));
    Palette palette = new Palette();
    List<Product> products =
        Catalogue.make(config, types, brands, palette, dice.split("catalogue"));
    Market market = new Market(config, types, brands, palette, products, dice.split("market"));
    Lexicon lexicon = new Lexicon(types, brands, products, dice.split("lexicon"));
    QueryWriter writer = new QueryWriter(market, lexicon);
    Dice users = dice.split("users");
    int light = config.users() / LIGHT_USERS;
    List<History> histories =
        IntStream.range(0, config.users() + light)
            .parallel()
            .mapToObj(
                user -> {
                  Dice own = users.split(user);
                  int purchases = user < config.users() ? purchases(own) : 1 + own.below(4);
                  return Journey.of(user, purchases, market, writer, own);
                })
            .toList();
    QueryLog queries = new QueryLog(histories, dice.split("queries"));
    return new Shop(config, products, histories, queries, lexicon, new Judge(market));
  }

  /** Five at least; a log-normal tail over that, as in the 5-core sets of the literature. */
  private static int purchases(Dice dice) {
    double more = StrictMath.exp(0.58 + 1.33 * dice.normal());
    return StrictMath.min(MOST_PURCHASES, Journey.HELD_OUT_FROM + (int) more);
  }

  public ShopConfig config() {
    return config;
  }

  /** All items, in the order of the items file. */
  public List<Item> items() {
    return products.stream().map(Product::item).toList();
  }

  /**
   * For each user of at least five purchases the items bought (positions in {@link #items}), oldest
   * first.
   */
  public List<int[]> sequences() {
    List<int[]> sequences = new ArrayList<>();
    for (History history : regulars()) {
      sequences.add(history.sequence().clone());
    }
    return sequences;
  }

  /**
   * For each user of {@link #sequences} the most probable last items by the generator's own
   * knowledge, best first.
   */
  public List<int[]> oracle() {
    List<int[]> lists = new ArrayList<>();
    for (History history : regulars()) {
      lists.add(history.oracle().clone());
    }
    return lists;
  }

  /** The items' product types, by which nothing but a report may go. */
  int[] types() {
    return products.stream().mapToInt(product -> product.type().index()).toArray();
  }

  List<Product> products() {
    return products;
  }

  List<History> histories() {
    return histories;
  }

  List<History> regulars() {
    return histories.subList(0, config.users());
  }

  QueryLog queries() {
    return queries;
  }

  Lexicon lexicon() {
    return lexicon;
  }

  /** A test query with its judged products. */
  record Judged(String query, List<Judge.Judgment> judgments) {}

  /** Judgments for a sample of the test queries, in the order of the alphabet. */
  List<Judged> judged() {
    Dice dice = new Dice(config.seed()).split("judgments");
    List<String> all = queries.testQueries();
    int[] order = dice.permutation(all.size());
    int[] chosen = Arrays.copyOf(order, StrictMath.min(order.length, config.judgedQueries()));
    Arrays.sort(chosen);
    List<Judged> judged = new ArrayList<>();
    for (int index : chosen) {
      String query = all.get(index);
      judged.add(new Judged(query, judge.pool(queries.intent(query), dice.split(query))));
    }
    return judged;
  }
}

package io.espalier.shop;

import io.espalier.shop.History.Search;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Lets one user live through the history. The rhythm is drawn first; then, purchase by purchase:
 * tastes drift, some visits end without a purchase, and one ends with it. What was looked at
 * depends on its position in the list.
 */
final class Journey {
  private static final double FOLLOWS = 0.45;
  private static final double FOLLOWING_GAP = 3;
  private static final double TASTE_GAP = 25;
  private static final double IDLE_VISITS = 0.45;
  private static final double REBUYS = 0.2;
  private static final int LIST = 16;
  private static final int SCREEN = 4;
  private static final int HALF_DAY = 43_200;
  private static final int DAY = 86_400;

  /** Seconds within which a visit is over. */
  private static final int VISIT = 1_800;

  /** Fewest purchases of a user whose last two are held out. */
  static final int HELD_OUT_FROM = 5;

  private static final int TRIES = 20;

  private final Market market;
  private final QueryWriter queries;
  private final Oracle oracle;
  private final Dice dice;
  private final Shopper shopper;
  private final List<Event> events = new ArrayList<>();
  private final List<Search> searches = new ArrayList<>();
  private final List<Integer> sequence = new ArrayList<>();
  private final List<Long> times = new ArrayList<>();
  private boolean heldOut;

  private Journey(Market market, QueryWriter queries, Dice dice) {
    this.market = market;
    this.queries = queries;
    this.oracle = new Oracle(market);
    this.dice = dice;
    this.shopper = new Shopper(market, dice.split("taste"));
  }

  /**
   * @param purchases how many different products the user buys; from five on, the user is in the
   *     sequences and the last two purchases are held out
   */
  static History of(int user, int purchases, Market market, QueryWriter queries, Dice dice) {
    return new Journey(market, queries, dice).run(user, purchases);
  }

  private History run(int user, int purchases) {
    boolean[] follows = new boolean[purchases];
    double[] gaps = new double[purchases];
    double length = 0;
    for (int k = 1; k < purchases; k++) {
      follows[k] = dice.chance(FOLLOWS);
      gaps[k] = dice.exponential() * (follows[k] ? FOLLOWING_GAP : TASTE_GAP);
      length += gaps[k];
    }
    double room = market.days - 2;
    double scale = StrictMath.min(1, 0.95 * room / StrictMath.max(length, 1));
    double now = 1 + dice.uniform() * (room - scale * length);
    int[] forecast = {};
    for (int k = 0; k < purchases; k++) {
      now += scale * gaps[k];
      long time = second(now);
      heldOut = purchases >= HELD_OUT_FROM && k >= purchases - 2;
      shopper.drift(dice);
      if (k > 0) {
        long last = times.getLast();
        time = StrictMath.max(time, last + 2 * VISIT);
        idle(last + VISIT, time - VISIT / 2);
      }
      if (k == purchases - 1 && purchases >= HELD_OUT_FROM) {
        forecast = oracle.forecast(shopper, day(time), follows(gaps[k]));
      }
      purchase(time, follows[k]);
    }
    events.sort(Comparator.comparingLong(Event::time));
    searches.sort(Comparator.comparingLong(Search::time));
    long boundary = purchases >= HELD_OUT_FROM ? times.get(purchases - 3) + VISIT : Long.MAX_VALUE;
    return new History(
        String.format(Locale.ROOT, "U%06d", user + 1),
        sequence.stream().mapToInt(Integer::intValue).toArray(),
        events,
        searches,
        boundary,
        forecast);
  }

  /**
   * How probable it is, given the time since the last purchase, that the next one follows from it
   * (Bayes).
   */
  private static double follows(double gap) {
    double following = FOLLOWS / FOLLOWING_GAP * StrictMath.exp(-gap / FOLLOWING_GAP);
    double taste = (1 - FOLLOWS) / TASTE_GAP * StrictMath.exp(-gap / TASTE_GAP);
    return following / (following + taste);
  }

  private void purchase(long time, boolean follows) {
    int day = day(time);
    Channel channel = Channel.draw(dice);
    Product product = choose(day, channel != Channel.OUTSIDE, follows);
    if (channel == Channel.SEARCH) {
      QueryWriter.Query query = queries.write(product, heldOut, dice);
      searches.add(new Search(time, query.text(), query.intent(), product.index()));
      list(searchList(query.intent(), day), product, time, query.text());
    } else if (channel == Channel.FEED) {
      list(feedList(product, day), product, time, "");
    } else {
      events.add(new Event(time, Event.Kind.PURCHASE, product.index(), "", -1, false));
    }
    shopper.buy(product);
    sequence.add(product.index());
    times.add(time);
    if (shopper.rebuys(product) && dice.chance(REBUYS)) {
      int later = day + 20 + dice.below(60);
      if (later < market.days && product.availability().on(later)) {
        events.add(
            new Event(
                second(later + dice.uniform()),
                Event.Kind.PURCHASE,
                product.index(),
                "",
                -1,
                false));
      }
    }
  }

  private Product choose(int day, boolean shown, boolean follows) {
    double[] wishes = follows ? shopper.followingWishes() : shopper.tasteWishes(day);
    double sum = Dice.sum(wishes);
    if (sum == 0) {
      wishes = shopper.tasteWishes(day);
      sum = Dice.sum(wishes);
    }
    for (int i = 0; i < TRIES; i++) {
      int type = dice.weighted(wishes, sum);
      double[] likes = shopper.likes(type, day);
      if (shown) {
        float[] examined = market.examinedIn(Market.week(day));
        for (int c = 0; c < likes.length; c++) {
          likes[c] *= examined[market.byType[type][c]];
        }
      }
      int at = dice.weighted(likes);
      if (at >= 0) {
        return market.products.get(market.byType[type][at]);
      }
    }
    return choose(day, shown, false);
  }

  /** Visits between two purchases that end without one: a search or a look at the feed. */
  private void idle(long from, long to) {
    int visits = 0;
    while (visits < 3 && dice.chance(IDLE_VISITS)) {
      visits++;
    }
    for (int i = 0; i < visits; i++) {
      long time = from + (long) ((to - from) * dice.uniform());
      int day = day(time);
      if (dice.chance(0.6)) {
        Product wanted = choose(day, true, dice.chance(FOLLOWS));
        QueryWriter.Query query = queries.write(wanted, heldOut, dice);
        searches.add(new Search(time, query.text(), query.intent(), -1));
        list(searchList(query.intent(), day), null, time, query.text());
      } else {
        list(feedList(choose(day, true, false), day), null, time, "");
      }
    }
  }

  /** The shop's list for a search: what meets the conditions first, in the week's order. */
  private List<Product> searchList(Intent intent, int day) {
    List<Product> found = new ArrayList<>();
    for (int p : market.ranked(Market.week(day), intent.type().index())) {
      Product product = market.products.get(p);
      if (product.availability().on(day)) {
        found.add(product);
      }
    }
    found.sort(Comparator.comparingInt(intent::missed));
    return found.size() > LIST ? found.subList(0, LIST) : found;
  }

  /**
   * The feed: the week's most prominent products of the wished type and of others that the user
   * likes.
   */
  private List<Product> feedList(Product about, int day) {
    double[] wishes = shopper.tasteWishes(day);
    List<Product> found = new ArrayList<>();
    for (int i = 0; i < LIST / 2; i++) {
      int type = i % 3 == 0 ? about.type().index() : dice.weighted(wishes);
      int[] ranked = market.ranked(Market.week(day), type);
      if (ranked.length > 0) {
        Product product = market.products.get(ranked[dice.below(StrictMath.min(ranked.length, 6))]);
        if (product.availability().on(day) && !found.contains(product)) {
          found.add(product);
        }
      }
    }
    return found;
  }

  /**
   * Shows a list: screen by screen until the user leaves; {@code bought} is in it, or nothing is.
   */
  private void list(List<Product> ranked, @Nullable Product bought, long time, String query) {
    List<Product> shown = new ArrayList<>(ranked);
    int buyAt = -1;
    if (bought != null) {
      buyAt = shown.indexOf(bought);
      if (buyAt < 0 || query.isEmpty()) {
        shown.remove(bought);
        buyAt = place(StrictMath.min(shown.size(), LIST / 2));
        shown.add(buyAt, bought);
      }
    }
    int screens = 1;
    while (dice.chance(0.35)) {
      screens++;
    }
    int length =
        StrictMath.min(
            shown.size(), StrictMath.max(screens * SCREEN, (buyAt / SCREEN + 1) * SCREEN));
    long clicks = 0;
    for (int position = 0; position < length; position++) {
      Product product = shown.get(position);
      boolean clicked =
          position == buyAt || dice.chance(0.3 * Market.examined(position) * attraction(product));
      events.add(new Event(time, Event.Kind.IMPRESSION, product.index(), query, position, clicked));
      if (clicked) {
        clicks++;
        events.add(
            new Event(
                time + 20 * clicks, Event.Kind.CLICK, product.index(), query, position, true));
      }
    }
    if (bought != null) {
      events.add(
          new Event(
              time + 20 * clicks + 90, Event.Kind.PURCHASE, bought.index(), query, buyAt, true));
    }
  }

  private double attraction(Product product) {
    double taste = shopper.taste(product.index());
    return taste / (1 + taste);
  }

  private int place(int size) {
    double[] weights = new double[size + 1];
    for (int i = 0; i <= size; i++) {
      weights[i] = Market.examined(i);
    }
    return dice.weighted(weights);
  }

  /** Shops are visited between eight in the morning and eight in the evening. */
  private static long second(double day) {
    long whole = (long) day;
    return ShopConfig.START + whole * DAY + 28_800 + (long) ((day - whole) * HALF_DAY);
  }

  private int day(long time) {
    return StrictMath.min(market.days - 1, (int) ((time - ShopConfig.START) / DAY));
  }
}

package io.espalier.shop;

import io.espalier.shop.ProductType.Complement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * What every shopper finds: products by type, how types follow one another, and how prominently the
 * shop's own ranking showed each product in each week. A product at rank r of its type is looked at
 * with probability {@link #examined}.
 */
final class Market {
  private static final int DAYS_A_WEEK = 7;
  private static final int DAYS_A_YEAR = 365;
  private static final double ACCESSORY_WISH = 0.08;
  private static final double ACCESSORY_FOLLOWS = 0.8;

  final List<Product> products;
  final Traits traits;
  final ProductTypes types;
  final List<Brand> brands;
  final int days;
  final int departments;
  final int colourFamilies;

  /** For each type its products, in index order. */
  final int[][] byType;

  /** For each type its department's number. */
  final int[] departmentOf;

  /** How often each type is wished for by a shopper without a taste. */
  final double[] wish;

  /** For each type the types that follow its purchase, and how much. */
  final int[][] followers;

  final double[][] followerWeights;
  final double[] medianPrice;

  /** For each week and type its products, the most prominent first. */
  private final int[][][] ranking;

  private final float[][] examined;

  /** For each type and day of the year how much more it is wished for than on average. */
  private final double[][] season;

  Market(
      ShopConfig config,
      ProductTypes types,
      List<Brand> brands,
      Palette palette,
      List<Product> products,
      Dice dice) {
    this.products = products;
    this.traits = new Traits(products, config.days());
    this.types = types;
    this.brands = brands;
    this.days = config.days();
    this.colourFamilies = palette.families();
    this.byType = byType(types, products);
    List<String> names = new ArrayList<>();
    this.departmentOf = new int[types.size()];
    this.wish = new double[types.size()];
    this.followers = new int[types.size()][];
    this.followerWeights = new double[types.size()][];
    this.medianPrice = new double[types.size()];
    this.season = new double[types.size()][];
    Dice own = dice.split("wish");
    for (ProductType type : types.all()) {
      int t = type.index();
      if (!names.contains(type.department())) {
        names.add(type.department());
      }
      departmentOf[t] = names.indexOf(type.department());
      wish[t] = own.logNormal(0.4) * (type.isAccessory() ? ACCESSORY_WISH : 1);
      season[t] = season(type);
      followers(type);
      double[] prices =
          Arrays.stream(byType[t])
              .mapToDouble(p -> products.get(p).item().price())
              .sorted()
              .toArray();
      medianPrice[t] = prices[prices.length / 2];
    }
    this.departments = names.size();
    int weeks = (days + DAYS_A_WEEK - 1) / DAYS_A_WEEK;
    this.ranking = new int[weeks][types.size()][];
    this.examined = new float[weeks][products.size()];
    for (int week = 0; week < weeks; week++) {
      rank(week, dice.split("week").split(week));
    }
  }

  /** The probability that a shopper looks at a position of a list, from 0: 1, .71, .58, .5, … */
  static double examined(int position) {
    return 1 / StrictMath.sqrt(1.0 + position);
  }

  float[] examinedIn(int week) {
    return examined[week];
  }

  /** The products of a type as the shop ranked them in a week. */
  int[] ranked(int week, int type) {
    return ranking[week][type];
  }

  static int week(int day) {
    return day / DAYS_A_WEEK;
  }

  double season(int type, int day) {
    return season[type][day % DAYS_A_YEAR];
  }

  private static double[] season(ProductType type) {
    double[] season = new double[DAYS_A_YEAR];
    Arrays.fill(season, 1);
    if (type.season().isEmpty()) {
      return season;
    }
    int peak =
        switch (type.season()) {
          case "spring" -> 105;
          case "summer" -> 196;
          case "autumn" -> 288;
          case "winter" -> 15;
          default ->
              throw new IllegalStateException(
                  type.id() + ": season " + type.season() + " (expected: one of four)");
        };
    for (int day = 0; day < DAYS_A_YEAR; day++) {
      int apart = StrictMath.abs(day - peak);
      int distance = StrictMath.min(apart, DAYS_A_YEAR - apart);
      season[day] = distance < 46 ? 2 : distance < 92 ? 1.2 : 0.5;
    }
    return season;
  }

  private void followers(ProductType type) {
    List<Complement> all = new ArrayList<>(type.complements());
    int[] indices = new int[types.size()];
    double[] weights = new double[types.size()];
    int count = 0;
    for (Complement complement : all) {
      indices[count] = types.byId(complement.type()).index();
      weights[count++] = complement.weight();
    }
    for (ProductType other : types.all()) {
      if (other.accessoryOf().equals(type.id())) {
        indices[count] = other.index();
        weights[count++] = ACCESSORY_FOLLOWS;
      }
    }
    followers[type.index()] = Arrays.copyOf(indices, count);
    followerWeights[type.index()] = Arrays.copyOf(weights, count);
  }

  private void rank(int week, Dice dice) {
    double[] score = new double[products.size()];
    for (int p = 0; p < score.length; p++) {
      score[p] = products.get(p).appeal() * dice.logNormal(0.5);
    }
    Comparator<Integer> best =
        Comparator.<Integer>comparingDouble(p -> -score[p]).thenComparingInt(p -> p);
    int day = week * DAYS_A_WEEK;
    for (int t = 0; t < byType.length; t++) {
      int[] order =
          Arrays.stream(byType[t])
              .filter(p -> products.get(p).availability().launched() < day + DAYS_A_WEEK)
              .boxed()
              .sorted(best)
              .mapToInt(Integer::intValue)
              .toArray();
      ranking[week][t] = order;
      for (int rank = 0; rank < order.length; rank++) {
        examined[week][order[rank]] = (float) examined(rank);
      }
    }
  }

  private static int[][] byType(ProductTypes types, List<Product> products) {
    int[][] byType = new int[types.size()][];
    List<List<Integer>> lists = new ArrayList<>();
    for (int t = 0; t < byType.length; t++) {
      lists.add(new ArrayList<>());
    }
    for (Product product : products) {
      lists.get(product.type().index()).add(product.index());
    }
    for (int t = 0; t < byType.length; t++) {
      byType[t] = lists.get(t).stream().mapToInt(Integer::intValue).toArray();
    }
    return byType;
  }
}

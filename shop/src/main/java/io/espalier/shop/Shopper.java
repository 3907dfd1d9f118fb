package io.espalier.shop;

import io.espalier.shop.ProductType.Ownership;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * One user: tastes that drift, and what was bought. A purchase answers either a wish that follows
 * from an earlier purchase (ink after a printer) or one that comes from taste; then a product of
 * the wished type is chosen by its appeal, its brand, style, tier and colour, and how well it goes
 * with what the user has.
 */
final class Shopper {
  private static final int REMEMBERED = 3;
  private static final double[] RECENCY = {1, 0.5, 0.25};
  private static final double FAVOURITE_LEAVES = 0.06;
  private static final double TIER_MOVES = 0.04;
  private static final double STYLE_MOVES = 0.04;
  private static final double LOYALTY = 1.8;
  private static final double LOYALTY_LIMIT = 15;
  private static final double SAME_RANGE = 8;
  private static final double FITS = 30;
  private static final double FITS_NOT = 0.05;
  private static final double ANOTHER_VARIANT = 0.05;
  private static final double NEW_PRODUCT = 1.6;
  private static final int NEW_DAYS = 30;
  private static final double[] TIER_DISTANCE = {1, 0.4, 0.12, 0.04};

  private final Market market;
  private final double[] departmentTaste;
  private final double[] typeTaste;
  private final double[] brandTaste;
  private final double[] makerTaste;
  private final double[] styleTaste = new double[Brand.Style.values().length];
  private final double[] colourTaste;
  private final int[] favourites;
  private int tier;
  private final BitSet bought = new BitSet();
  private final BitSet groups = new BitSet();
  private final BitSet ranges = new BitSet();
  private final int[] boughtOfType;
  private final List<Product> recent = new ArrayList<>();

  Shopper(Market market, Dice dice) {
    this.market = market;
    this.departmentTaste = new double[market.departments];
    this.typeTaste = new double[market.types.size()];
    this.brandTaste = new double[market.brands.size()];
    this.makerTaste = new double[market.brands.size()];
    this.colourTaste = new double[market.colourFamilies];
    this.boughtOfType = new int[market.types.size()];
    this.favourites = new int[1 + dice.below(3)];
    Arrays.fill(departmentTaste, 0.03);
    for (int i = 0; i < favourites.length; i++) {
      favourites[i] = dice.below(market.departments);
      departmentTaste[favourites[i]] += 0.4 + dice.exponential();
    }
    for (int t = 0; t < typeTaste.length; t++) {
      typeTaste[t] = dice.logNormal(1.0);
    }
    for (int b = 0; b < brandTaste.length; b++) {
      brandTaste[b] = dice.logNormal(0.5);
    }
    Arrays.fill(styleTaste, 1);
    styleTaste[dice.below(styleTaste.length)] = 4;
    styleTaste[dice.below(styleTaste.length)] = 2.5;
    for (int c = 0; c < colourTaste.length; c++) {
      colourTaste[c] = dice.logNormal(0.5);
    }
    this.tier = 1 + dice.weighted(new double[] {0.25, 0.4, 0.25, 0.1});
    weighMakers();
  }

  void drift(Dice dice) {
    if (dice.chance(FAVOURITE_LEAVES)) {
      int i = dice.below(favourites.length);
      departmentTaste[favourites[i]] = 0.03;
      favourites[i] = dice.below(market.departments);
      departmentTaste[favourites[i]] += 0.4 + dice.exponential();
    }
    if (dice.chance(TIER_MOVES)) {
      tier = StrictMath.clamp(tier + (dice.chance(0.6) ? 1 : -1), 1, 4);
    }
    if (dice.chance(STYLE_MOVES)) {
      styleTaste[dice.below(styleTaste.length)] = 4;
      styleTaste[dice.below(styleTaste.length)] = 1;
    }
    weighMakers();
  }

  /** For each type how much it is wished for by taste on a day. */
  double[] tasteWishes(int day) {
    double[] wishes = new double[market.types.size()];
    for (ProductType type : market.types.all()) {
      int t = type.index();
      wishes[t] =
          market.wish[t]
              * departmentTaste[market.departmentOf[t]]
              * typeTaste[t]
              * market.season(t, day)
              * satisfied(type);
    }
    return wishes;
  }

  /**
   * For each type how much it is wished for because of the last purchases; all 0 when nothing
   * follows.
   */
  double[] followingWishes() {
    double[] wishes = new double[market.types.size()];
    for (int back = 0; back < recent.size(); back++) {
      int from = recent.get(recent.size() - 1 - back).type().index();
      int[] followers = market.followers[from];
      for (int i = 0; i < followers.length; i++) {
        ProductType type = market.types.all().get(followers[i]);
        wishes[followers[i]] +=
            RECENCY[back] * market.followerWeights[from][i] * StrictMath.min(1, satisfied(type));
      }
    }
    return wishes;
  }

  private double satisfied(ProductType type) {
    int count = boughtOfType[type.index()];
    if (count == 0) {
      return 1;
    }
    return switch (type.ownership()) {
      case DURABLE -> 0.08;
      case WARDROBE -> 1;
      case CONSUMABLE -> 0.7;
    };
  }

  /**
   * How much each product of a type is liked on a day, by its place in {@code market.byType[type]};
   * 0 when it cannot be bought or was bought before.
   */
  double[] likes(int type, int day) {
    int[] candidates = market.byType[type];
    double[] likes = new double[candidates.length];
    for (int i = 0; i < candidates.length; i++) {
      int product = candidates[i];
      if (market.traits.available(product, day) && !bought.get(product)) {
        likes[i] = like(product, day);
      }
    }
    return likes;
  }

  /** How well brand, style, price tier and colour suit the user, around 1. */
  double taste(int product) {
    Traits traits = market.traits;
    return makerTaste[traits.brand[product]] * colourTaste[traits.colourFamily[product]];
  }

  private double like(int product, int day) {
    Traits traits = market.traits;
    double like = traits.appeal[product] * taste(product);
    if (day - traits.launched[product] < NEW_DAYS) {
      like *= NEW_PRODUCT;
    }
    int fits = traits.fits[product];
    if (fits >= 0) {
      like *= groups.get(fits) ? FITS : FITS_NOT;
    } else if (groups.get(traits.group[product])) {
      like *= ANOTHER_VARIANT;
    }
    return ranges.get(traits.range[product]) ? like * SAME_RANGE : like;
  }

  /**
   * Brings together what the user thinks of each maker: of the brand itself, its style and its
   * price tier.
   */
  private void weighMakers() {
    for (Brand brand : market.brands) {
      makerTaste[brand.index()] =
          brandTaste[brand.index()]
              * styleTaste[brand.style().number]
              * TIER_DISTANCE[StrictMath.abs(brand.tier() - tier)];
    }
  }

  void buy(Product product) {
    bought.set(product.index());
    groups.set(product.group());
    ranges.set(product.range());
    boughtOfType[product.type().index()]++;
    int brand = product.brand().index();
    brandTaste[brand] = StrictMath.min(LOYALTY_LIMIT, brandTaste[brand] * LOYALTY);
    weighMakers();
    recent.add(product);
    if (recent.size() > REMEMBERED) {
      recent.removeFirst();
    }
  }

  boolean rebuys(Product product) {
    return product.type().ownership() == Ownership.CONSUMABLE;
  }
}

package io.espalier.shop;

/**
 * What a shop is generated from: equal configurations give equal bytes on every machine.
 *
 * @param seed where all randomness starts
 * @param products number of items, 500..50,000
 * @param users number of users with at least five purchases, 50..1,000,000; one light user (one to
 *     four purchases) is added for every eight of them
 * @param days length of the history, 120..3,650
 * @param judgedQueries number of test queries that get judgments, 1..10,000
 */
public record ShopConfig(long seed, int products, int users, int days, int judgedQueries) {

  /** First second of the history: 2024-01-01T00:00:00Z. */
  static final long START = 1_704_067_200L;

  public ShopConfig {
    check("products", products, 500, 50_000);
    check("users", users, 50, 1_000_000);
    check("days", days, 120, 3_650);
    check("judgedQueries", judgedQueries, 1, 10_000);
  }

  /** The default shop: 8,000 products, 20,000 users, 540 days, 500 judged queries, seed 7. */
  public static ShopConfig defaults() {
    return new ShopConfig(7, 8_000, 20_000, 540, 500);
  }

  public ShopConfig withSeed(long newSeed) {
    return new ShopConfig(newSeed, products, users, days, judgedQueries);
  }

  public ShopConfig withProducts(int newProducts) {
    return new ShopConfig(seed, newProducts, users, days, judgedQueries);
  }

  public ShopConfig withUsers(int newUsers) {
    return new ShopConfig(seed, products, newUsers, days, judgedQueries);
  }

  public ShopConfig withJudgedQueries(int newJudgedQueries) {
    return new ShopConfig(seed, products, users, days, newJudgedQueries);
  }

  private static void check(String name, int value, int least, int most) {
    if (value < least || value > most) {
      throw new IllegalArgumentException(
          name + ": " + value + " (expected: " + least + ".." + most + ")");
    }
  }
}

package io.espalier.shop;

import java.util.List;

/**
 * What a shopper's choice looks at, in flat arrays by product index: choices are made some hundred
 * million times, and the products themselves are spread over memory.
 */
final class Traits {
  final double[] appeal;
  final int[] brand;
  final int[] colourFamily;
  final int[] group;
  final int[] range;
  final int[] fits;
  final int[] launched;

  /** For each day one bit a product: whether it can be bought. */
  private final long[][] available;

  Traits(List<Product> products, int days) {
    int n = products.size();
    this.appeal = products.stream().mapToDouble(Product::appeal).toArray();
    this.brand = products.stream().mapToInt(product -> product.brand().index()).toArray();
    this.colourFamily = products.stream().mapToInt(Product::colourFamily).toArray();
    this.group = products.stream().mapToInt(Product::group).toArray();
    this.range = products.stream().mapToInt(Product::range).toArray();
    this.fits = products.stream().mapToInt(Product::fits).toArray();
    this.launched =
        products.stream().mapToInt(product -> product.availability().launched()).toArray();
    this.available = new long[days][(n + 63) / 64];
    for (Product product : products) {
      int p = product.index();
      for (int day = 0; day < days; day++) {
        if (product.availability().on(day)) {
          available[day][p >> 6] |= 1L << p;
        }
      }
    }
  }

  boolean available(int product, int day) {
    return (available[day][product >> 6] >>> product & 1) != 0;
  }
}

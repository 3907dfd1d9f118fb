package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.ItemOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * Each item's product type and whether it is an accessory, and each type's share of accessories.
 */
final class ItemTypes {
  private final ItemOrder items;
  private final int[] types;
  private final boolean[] accessory;
  private final double[] accessoryShare;

  private ItemTypes(ItemOrder items, int[] types, boolean[] accessory, double[] accessoryShare) {
    this.items = items;
    this.types = types;
    this.accessory = accessory;
    this.accessoryShare = accessoryShare;
  }

  static ItemTypes read(Bundle bundle) {
    BundleTables tables = new BundleTables(bundle);
    int count = tables.rows("types", 1).size();
    List<String[]> rows = tables.rows("item_types", 3);
    List<String> ids = new ArrayList<>(rows.size());
    int[] types = new int[rows.size()];
    boolean[] accessory = new boolean[rows.size()];
    int[] ofType = new int[count];
    double[] share = new double[count];
    for (int row = 0; row < types.length; row++) {
      String[] fields = rows.get(row);
      ids.add(fields[0]);
      types[row] = tables.integer("item_types", row, "type", fields[1], 0, count - 1);
      accessory[row] = tables.integer("item_types", row, "accessory", fields[2], 0, 1) == 1;
      ofType[types[row]]++;
      share[types[row]] += accessory[row] ? 1 : 0;
    }
    for (int type = 0; type < count; type++) {
      share[type] = ofType[type] == 0 ? 0 : share[type] / ofType[type];
    }
    return new ItemTypes(ItemOrder.of(ids), types, accessory, share);
  }

  ItemOrder items() {
    return items;
  }

  /** How many types there are. */
  int count() {
    return accessoryShare.length;
  }

  int type(int item) {
    return types[item];
  }

  boolean isAccessory(int item) {
    return accessory[item];
  }

  /** Probability that a query asks for an accessory, by the log-probabilities of its types. */
  double accessoryProbability(float[] logProbs) {
    double sum = 0;
    for (int type = 0; type < accessoryShare.length; type++) {
      sum += Math.exp(logProbs[type]) * accessoryShare[type];
    }
    return sum;
  }
}

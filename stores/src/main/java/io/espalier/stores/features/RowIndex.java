package io.espalier.stores.features;

/** Where an item's values lie in a table. */
@FunctionalInterface
public interface RowIndex {
  /** The row of an item by its external id; negative when the table does not know it. */
  int row(String itemId);
}

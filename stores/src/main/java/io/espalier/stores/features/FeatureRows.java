package io.espalier.stores.features;

/**
 * The features of the items that were looked up, for one thread. A row that is not to be had in
 * time is read as the defaults.
 */
public interface FeatureRows {

  /**
   * Copies an item's vector, or the default, into {@code out} at {@code at}.
   *
   * @param item one of those that were looked up
   * @return whether the item was known
   */
  boolean vector(String feature, String item, float[] out, int at);

  /** The item's value, or the default. */
  int category(String feature, String item);

  /** Whether defaults were read for items that the store may know: a degradation. */
  boolean isLate();
}

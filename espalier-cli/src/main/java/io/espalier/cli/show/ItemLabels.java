package io.espalier.cli.show;

import java.util.Optional;

/** What a person reads beside an item's id, where the catalogue is at hand. */
@FunctionalInterface
public interface ItemLabels {
  /** No catalogue at hand. */
  ItemLabels NONE = id -> Optional.empty();

  /**
   * An item's label.
   *
   * @param title empty when it has none
   * @param price empty when it has none
   */
  record Label(String title, String price) {}

  /** The item's label; empty when the item is not known here. */
  Optional<Label> of(String itemId);
}

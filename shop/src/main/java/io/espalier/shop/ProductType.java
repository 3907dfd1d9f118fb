package io.espalier.shop;

import java.util.List;

/**
 * A kind of product: what it is called, what it costs, how it varies and what is bought with it.
 *
 * @param accessoryOf the id of the type that this one is an accessory of; empty for a main product
 */
record ProductType(
    int index,
    String id,
    String department,
    String subcategory,
    String noun,
    String plural,
    double price,
    double priceSpread,
    String season,
    Ownership ownership,
    String shape,
    List<String> colours,
    List<Attribute> attributes,
    String varies,
    List<String> says,
    List<String> uses,
    List<String> synonyms,
    List<String> asks,
    List<Complement> complements,
    String accessoryOf) {

  /** How owning one changes the wish for another. */
  enum Ownership {
    DURABLE,
    WARDROBE,
    CONSUMABLE
  }

  /** An attribute and its values; {@code inTitle} ones stand in titles. */
  record Attribute(String key, List<String> values, boolean inTitle) {}

  /** A type that is bought after this one, and how much more often than another. */
  record Complement(String type, int weight) {}

  boolean isAccessory() {
    return !accessoryOf.isEmpty();
  }

  /** The last word of the noun, which is what the thing is. */
  String head() {
    return noun.substring(noun.lastIndexOf(' ') + 1);
  }
}

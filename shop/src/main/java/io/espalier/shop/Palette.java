package io.espalier.shop;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The shop's colours: each has a name, a value for pictures and the family that a shopper means.
 */
final class Palette {

  /** A named colour; {@code family} is its number among the families. */
  record Colour(String name, String hex, String family, int familyIndex) {}

  private final Map<String, Colour> colours = new LinkedHashMap<>();
  private final List<String> families = new ArrayList<>();

  Palette() {
    for (List<String> row : Resources.table("colours.tsv", 3)) {
      String family = row.get(2);
      if (!families.contains(family)) {
        families.add(family);
      }
      colours.put(row.get(0), new Colour(row.get(0), row.get(1), family, families.indexOf(family)));
    }
  }

  Colour get(String name) {
    Colour colour = colours.get(name);
    if (colour == null) {
      throw new IllegalStateException("colour: " + name + " (expected: one of colours.tsv)");
    }
    return colour;
  }

  int families() {
    return families.size();
  }
}

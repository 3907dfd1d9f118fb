package io.espalier.shop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The drawings of {@code shapes.txt}: for each name its parts, from back to front, in a square of
 * 100 by 100.
 */
final class Shapes {

  /**
   * One part of a drawing.
   *
   * @param role which colour it takes
   * @param svg the element, without its paint
   * @param stroked whether it is a line and not an area
   */
  record Part(Role role, String svg, boolean stroked) {}

  /** What a part is made of; the first three follow the product's colour. */
  enum Role {
    BODY,
    SHADE,
    LIGHT,
    DARK,
    METAL,
    WHITE,
    WOOD,
    GLASS,
    LEAF,
    ACCENT
  }

  private final Map<String, List<Part>> shapes = new HashMap<>();

  Shapes() {
    List<Part> parts = new ArrayList<>();
    for (String line : Resources.lines("shapes.txt")) {
      String[] words = line.split(" ", -1);
      if (words[0].equals("shape")) {
        parts = new ArrayList<>();
        for (int i = 1; i < words.length; i++) {
          shapes.put(words[i], parts);
        }
      } else {
        parts.add(part(line, words));
      }
    }
  }

  List<Part> get(String name) {
    List<Part> parts = shapes.get(name);
    if (parts == null) {
      throw new IllegalArgumentException("shape: " + name + " (expected: one of shapes.txt)");
    }
    return parts;
  }

  private static Part part(String line, String[] words) {
    Role role = Role.valueOf(words[0].toUpperCase(Locale.ROOT));
    return switch (words[1]) {
      case "rect" ->
          new Part(
              role,
              "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" rx=\"%s\""
                  .formatted(words[2], words[3], words[4], words[5], words[6]),
              false);
      case "oval" ->
          new Part(
              role,
              "<ellipse cx=\"%s\" cy=\"%s\" rx=\"%s\" ry=\"%s\""
                  .formatted(words[2], words[3], words[4], words[5]),
              false);
      case "path" -> new Part(role, "<path d=\"" + after(line, 2) + "\"", false);
      case "stroke" ->
          new Part(
              role, "<path d=\"" + after(line, 3) + "\" stroke-width=\"" + words[2] + "\"", true);
      default ->
          throw new IllegalStateException(
              "shapes.txt: " + line + " (expected: rect, oval, path or stroke)");
    };
  }

  private static String after(String line, int words) {
    int at = 0;
    for (int i = 0; i < words; i++) {
      at = line.indexOf(' ', at) + 1;
    }
    return line.substring(at);
  }
}

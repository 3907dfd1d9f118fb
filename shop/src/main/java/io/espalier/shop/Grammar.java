package io.espalier.shop;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Writes titles and descriptions from the sentences of {@code grammar.txt} and {@code
 * attributes.tsv}.
 */
final class Grammar {
  private static final Set<String> OF_INGREDIENTS =
      Set.of("flavour", "scent", "protection", "active", "texture", "hair", "skin");

  private final Map<String, List<String>> sentences = new LinkedHashMap<>();
  private final Map<String, String> attributeSentences = new LinkedHashMap<>();

  Grammar() {
    List<String> section = new ArrayList<>();
    for (String line : Resources.lines("grammar.txt")) {
      if (line.startsWith("[")) {
        section = new ArrayList<>();
        sentences.put(line.substring(1, line.length() - 1), section);
      } else {
        section.add(line);
      }
    }
    for (List<String> row : Resources.table("attributes.tsv", 2)) {
      attributeSentences.put(row.get(0), row.get(1));
    }
  }

  /** A title in the manner of the brand: each keeps to one of four. */
  static String title(Brand brand, String model, String noun, List<String> details) {
    String tail = String.join(", ", details);
    String name = capitals(noun);
    return switch (brand.index() % 4) {
      case 0 -> brand.name() + " " + model + " " + name + (tail.isEmpty() ? "" : ", " + tail);
      case 1 -> brand.name() + " " + model + " " + name + (tail.isEmpty() ? "" : " – " + tail);
      case 2 -> brand.name() + " " + name + " " + model + (tail.isEmpty() ? "" : ", " + tail);
      default ->
          brand.name() + " " + model + " " + name + (tail.isEmpty() ? "" : " (" + tail + ")");
    };
  }

  String description(
      Dice dice,
      ProductType type,
      Brand brand,
      String model,
      Map<String, String> attributes,
      List<String> uses) {
    List<String> parts = new ArrayList<>();
    parts.add(opening(dice, type, brand, model));
    List<String> says = type.says();
    int first = dice.below(says.size());
    parts.add(says.get(first));
    if (says.size() > 1 && dice.chance(0.7)) {
      parts.add(says.get((first + 1 + dice.below(says.size() - 1)) % says.size()));
    }
    List<String> keys = new ArrayList<>(attributes.keySet());
    keys.retainAll(attributeSentences.keySet());
    if (!keys.isEmpty() && dice.chance(0.8)) {
      String key = dice.of(keys);
      parts.add(
          attributeSentences
              .getOrDefault(key, "")
              .replace("{value}", attributes.getOrDefault(key, "")));
    }
    if (!uses.isEmpty()) {
      parts.add(section(dice, "use").replace("{use}", String.join(" and ", uses)));
    }
    if (dice.chance(0.5)) {
      parts.add(
          type.ownership() == ProductType.Ownership.CONSUMABLE
              ? section(dice, "close " + manner(type))
              : section(dice, "close " + brand.tier()));
    }
    return String.join(" ", parts);
  }

  String accessoryDescription(Dice dice, String main, String colour) {
    String first = section(dice, "accessory").replace("{main}", main);
    String second = section(dice, "accessory").replace("{main}", main);
    return first + (second.equals(first) ? "" : " " + second) + " Colour: " + colour + ".";
  }

  private String opening(Dice dice, ProductType type, Brand brand, String model) {
    boolean consumable = type.ownership() == ProductType.Ownership.CONSUMABLE;
    List<String> openings =
        sentences(
            consumable
                ? "opening " + manner(type)
                : "opening " + brand.style().name().toLowerCase(Locale.ROOT));
    boolean countable = !type.noun().equals(type.plural());
    List<String> fitting =
        openings.stream().filter(line -> countable || !line.contains("noun")).toList();
    String noun = type.noun();
    String sentence = dice.of(fitting);
    if (sentence.startsWith("A {noun-phrase}")) {
      sentence = capitalised(article(noun)) + sentence.substring(1);
    }
    return sentence
        .replace("{brand}", brand.name())
        .replace("{line}", model)
        .replace("{a-noun}", article(noun) + " " + noun)
        .replace("{noun-phrase}", noun);
  }

  private static String manner(ProductType type) {
    boolean mixed =
        type.department().equals("Pantry")
            || type.attributes().stream()
                .anyMatch(attribute -> OF_INGREDIENTS.contains(attribute.key()));
    return mixed ? "consumable" : "supply";
  }

  private String section(Dice dice, String name) {
    return dice.of(sentences(name));
  }

  private List<String> sentences(String name) {
    List<String> lines = sentences.get(name);
    if (lines == null) {
      throw new IllegalStateException("section: " + name + " (expected: in grammar.txt)");
    }
    return lines;
  }

  private static String article(String noun) {
    boolean vowel =
        "aeio".indexOf(Character.toLowerCase(noun.charAt(0))) >= 0 || noun.startsWith("umbrella");
    boolean spelled = noun.startsWith("HDMI") || noun.startsWith("LED");
    return (vowel && !noun.startsWith("one")) || spelled ? "an" : "a";
  }

  /** Title case: every word but the small ones. */
  static String capitals(String text) {
    StringBuilder out = new StringBuilder();
    for (String word : text.split(" ", -1)) {
      out.append(out.isEmpty() ? "" : " ");
      out.append(word.matches("for|of|and|with|de|who|a") ? word : capitalised(word));
    }
    return out.toString();
  }

  static String capitalised(String word) {
    return word.isEmpty() ? word : Character.toUpperCase(word.charAt(0)) + word.substring(1);
  }
}

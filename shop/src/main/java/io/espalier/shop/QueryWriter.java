package io.espalier.shop;

import static io.espalier.shop.Lexicon.lower;

import io.espalier.shop.Intent.Condition;
import io.espalier.shop.ProductType.Attribute;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/** Writes what a shopper types who has a product in mind, and keeps what was meant. */
final class QueryWriter {
  private static final double SYNONYM = 0.3;
  private static final double MISSPELLING = 0.13;
  private static final double PLURAL = 0.12;
  private static final double CHEAP = 0.8;
  private static final double PREMIUM = 1.35;

  /** A search: its words and what it means. */
  record Query(String text, Intent intent) {}

  private final Market market;
  private final Lexicon lexicon;

  QueryWriter(Market market, Lexicon lexicon) {
    this.market = market;
    this.lexicon = lexicon;
  }

  /**
   * @param heldOut whether the search belongs to the test part, where withheld words may be used
   */
  Query write(Product wanted, boolean heldOut, Dice dice) {
    Query query =
        wanted.type().isAccessory()
            ? accessory(wanted, heldOut, dice)
            : main(wanted, heldOut, dice);
    String text = dice.chance(MISSPELLING) ? misspelt(query.text(), heldOut, dice) : query.text();
    if (!heldOut && lexicon.leaks(text)) {
      return new Query(lower(wanted.type().noun()), new Intent(wanted.type(), List.of()));
    }
    return new Query(text, query.intent());
  }

  private Query main(Product wanted, boolean heldOut, Dice dice) {
    ProductType type = wanted.type();
    List<Condition> conditions = new ArrayList<>();
    List<String> words = new ArrayList<>();
    String noun = noun(type, heldOut, dice);
    double form = dice.uniform();
    if (form < 0.17) {
      words.add(noun);
    } else if (form < 0.31) {
      words.add(lower(wanted.brand().name()));
      words.add(noun);
      conditions.add(new Intent.OfBrand(wanted.brand()));
    } else if (form < 0.37) {
      words.add(model(wanted));
      if (dice.chance(0.7)) {
        words.add(noun);
      }
      conditions.add(new Intent.OfGroup(wanted.group()));
    } else if (form < 0.49) {
      words.add(colour(wanted, conditions, heldOut, dice));
      words.add(noun);
    } else if (form < 0.61) {
      attribute(wanted, noun, words, conditions, heldOut, dice);
    } else if (form < 0.68) {
      attribute(wanted, noun, words, conditions, heldOut, dice);
      words.addFirst(colour(wanted, conditions, heldOut, dice));
    } else if (form < 0.73) {
      attribute(wanted, noun, words, conditions, heldOut, dice);
      words.addFirst(lower(wanted.brand().name()));
      conditions.add(new Intent.OfBrand(wanted.brand()));
    } else if (form < 0.83) {
      use(wanted, noun, words, conditions, heldOut, dice);
    } else if (form < 0.89) {
      style(wanted, noun, words, conditions, heldOut, dice);
    } else if (form < 0.95) {
      price(wanted, noun, words, conditions, heldOut, dice);
    } else {
      words.add(lower(dice.of(type.asks())));
    }
    return new Query(String.join(" ", words), new Intent(type, conditions));
  }

  private Query accessory(Product wanted, boolean heldOut, Dice dice) {
    ProductType type = wanted.type();
    ProductType main = market.types.byId(type.accessoryOf());
    String noun = lower(type.noun());
    String fits = lower(wanted.item().attributes().getOrDefault("fits", ""));
    double form = dice.uniform();
    if (form < 0.45) {
      return new Query(
          noun + " for " + fits, new Intent(type, List.of(new Intent.Fits(wanted.fits()))));
    }
    if (form < 0.8) {
      return new Query(noun + " for " + noun(main, heldOut, dice), new Intent(type, List.of()));
    }
    return new Query(fits + " " + noun, new Intent(type, List.of(new Intent.Fits(wanted.fits()))));
  }

  private String noun(ProductType type, boolean heldOut, Dice dice) {
    String noun = lower(type.noun());
    if (dice.chance(SYNONYM)) {
      List<Lexicon.Entry> synonyms = lexicon.synonyms(noun, heldOut);
      if (!synonyms.isEmpty()) {
        return dice.of(synonyms).written();
      }
    }
    return dice.chance(PLURAL) ? lower(type.plural()) : noun;
  }

  private static String model(Product wanted) {
    String title = wanted.item().title();
    String brand = wanted.brand().name();
    String noun = Grammar.capitals(wanted.type().noun());
    String line = wanted.brand().lines().get(wanted.range() % 100);
    int at = title.indexOf(line);
    String rest = at < 0 ? line : title.substring(at);
    String model = rest.split(" " + Pattern.quote(noun) + "|,| –| \\(", -1)[0];
    return lower(brand + " " + model);
  }

  private String colour(Product wanted, List<Condition> conditions, boolean heldOut, Dice dice) {
    conditions.add(new Intent.OfColour(wanted.colourFamily()));
    return reworded(wanted.colour(), heldOut, dice);
  }

  private void attribute(
      Product wanted,
      String noun,
      List<String> words,
      List<Condition> conditions,
      boolean heldOut,
      Dice dice) {
    List<Attribute> present =
        wanted.type().attributes().stream()
            .filter(attribute -> wanted.item().attributes().containsKey(attribute.key()))
            .filter(attribute -> !attribute.key().equals("sizes"))
            .toList();
    words.add(noun);
    if (present.isEmpty()) {
      words.addFirst(colour(wanted, conditions, heldOut, dice));
      return;
    }
    String key = dice.of(present).key();
    String value = wanted.item().attributes().getOrDefault(key, "");
    conditions.add(new Intent.Has(key, value));
    String written = reworded(lower(value), heldOut, dice);
    if (dice.chance(0.65)) {
      words.addFirst(written);
    } else {
      words.add(written);
    }
  }

  private void use(
      Product wanted,
      String noun,
      List<String> words,
      List<Condition> conditions,
      boolean heldOut,
      Dice dice) {
    String use = dice.of(wanted.uses());
    conditions.add(new Intent.For(use));
    words.add(noun);
    words.add("for");
    words.add(reworded(lower(use), heldOut, dice));
  }

  private void style(
      Product wanted,
      String noun,
      List<String> words,
      List<Condition> conditions,
      boolean heldOut,
      Dice dice) {
    String style = wanted.brand().style().name().toLowerCase(Locale.ROOT);
    conditions.add(new Intent.Has("style", style));
    words.add(reworded(style, heldOut, dice));
    words.add(noun);
  }

  private void price(
      Product wanted,
      String noun,
      List<String> words,
      List<Condition> conditions,
      boolean heldOut,
      Dice dice) {
    double price = wanted.item().price();
    double median = market.medianPrice[wanted.type().index()];
    words.add(noun);
    if (price <= CHEAP * median && dice.chance(0.6)) {
      conditions.add(new Intent.Priced(0, CHEAP * median));
      words.addFirst(reworded("cheap", heldOut, dice));
    } else if (price >= PREMIUM * median && dice.chance(0.6)) {
      conditions.add(new Intent.Priced(PREMIUM * median, Double.MAX_VALUE));
      words.addFirst(reworded("premium", heldOut, dice));
    } else {
      int step = price < 20 ? 5 : price < 100 ? 10 : 50;
      int limit = ((int) price / step + 1 + dice.below(2)) * step;
      conditions.add(new Intent.Priced(0, limit));
      words.add("under " + limit);
    }
  }

  private String reworded(String text, boolean heldOut, Dice dice) {
    if (dice.chance(SYNONYM)) {
      List<Lexicon.Entry> synonyms = lexicon.synonyms(text, heldOut);
      if (!synonyms.isEmpty()) {
        return dice.of(synonyms).written();
      }
    }
    return text;
  }

  private String misspelt(String text, boolean heldOut, Dice dice) {
    String[] words = text.split(" ", -1);
    int start = dice.below(words.length);
    for (int i = 0; i < words.length; i++) {
      int at = (start + i) % words.length;
      List<Lexicon.Entry> wrong = lexicon.misspellings(words[at], heldOut);
      if (!wrong.isEmpty()) {
        words[at] = dice.of(wrong).written();
        return String.join(" ", words);
      }
    }
    return text;
  }
}

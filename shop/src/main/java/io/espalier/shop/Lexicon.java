package io.espalier.shop;

import io.espalier.shop.ProductType.Attribute;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * How shoppers write what the shop calls otherwise: synonyms and misspellings. About half of the
 * entries is withheld: no search of the training part uses them, searches of the test part do.
 */
final class Lexicon {

  /** {@code written} stands for {@code meant}. */
  record Entry(String written, String meant, boolean misspelling, boolean withheld) {}

  private static final int MISSPELLINGS_A_WORD = 4;
  private static final int SHORTEST = 5;
  private static final int LONGEST_PHRASE = 5;

  private final List<Entry> entries = new ArrayList<>();
  private final Map<String, List<Entry>> synonyms = new HashMap<>();
  private final Map<String, List<Entry>> misspellings = new HashMap<>();
  private final Set<String> withheld = new LinkedHashSet<>();

  Lexicon(ProductTypes types, List<Brand> brands, List<Product> products, Dice dice) {
    Set<String> phrases = new LinkedHashSet<>();
    Set<String> nouns = new LinkedHashSet<>();
    for (ProductType type : types.all()) {
      nouns.add(lower(type.noun()));
      nouns.add(lower(type.plural()));
      type.asks().forEach(ask -> phrases.add(lower(ask)));
      type.uses().forEach(use -> phrases.add(lower(use)));
      for (Attribute attribute : type.attributes()) {
        attribute.values().forEach(value -> phrases.add(lower(value)));
      }
      phrases.addAll(type.colours());
    }
    phrases.addAll(nouns);
    for (Brand brand : brands) {
      phrases.add(lower(brand.name()));
    }
    Set<String> ngrams = new LinkedHashSet<>();
    phrases.forEach(phrase -> addNgrams(phrase, ngrams));
    Set<String> words = new TreeSet<>(ngrams);
    for (Product product : products) {
      addNgrams(lower(product.item().title()), ngrams);
      for (String word : lower(product.item().description()).split("[^\\p{L}\\p{N}'-]+", -1)) {
        ngrams.add(word);
      }
    }
    addSynonyms(types, nouns, ngrams, dice.split("synonyms"));
    addMisspellings(words, ngrams, dice.split("misspellings"));
  }

  List<Entry> entries() {
    return entries;
  }

  /** Other ways to write a phrase; without the withheld ones unless asked for. */
  List<Entry> synonyms(String meant, boolean all) {
    return select(synonyms, meant, all);
  }

  List<Entry> misspellings(String word, boolean all) {
    return select(misspellings, word, all);
  }

  /** Whether a search contains a withheld entry, as a word or as neighbouring words. */
  boolean leaks(String query) {
    Set<String> ngrams = new LinkedHashSet<>();
    addNgrams(query, ngrams);
    ngrams.retainAll(withheld);
    return !ngrams.isEmpty();
  }

  private static List<Entry> select(Map<String, List<Entry>> map, String key, boolean all) {
    List<Entry> found = map.getOrDefault(key, List.of());
    return all ? found : found.stream().filter(entry -> !entry.withheld()).toList();
  }

  private void addSynonyms(ProductTypes types, Set<String> nouns, Set<String> ngrams, Dice dice) {
    Map<String, String> meanings = new LinkedHashMap<>();
    for (ProductType type : types.all()) {
      for (String synonym : type.synonyms()) {
        if (!nouns.contains(synonym)) {
          meanings.putIfAbsent(synonym, lower(type.noun()));
        }
      }
    }
    for (List<String> row : Resources.table("synonyms.tsv", 2)) {
      meanings.putIfAbsent(row.get(0), row.get(1));
    }
    Set<String> open = new LinkedHashSet<>(ngrams);
    List<String> secret = new ArrayList<>();
    int[] order = dice.permutation(meanings.size());
    List<String> written = List.copyOf(meanings.keySet());
    for (int i : order) {
      // a phrase that the shop itself uses cannot be withheld
      if (ngrams.contains(written.get(i)) || dice.chance(0.46)) {
        addNgrams(written.get(i), open);
      } else {
        secret.add(written.get(i));
      }
    }
    secret.removeIf(open::contains);
    meanings.forEach(
        (synonym, meant) ->
            add(synonyms, new Entry(synonym, meant, false, secret.contains(synonym))));
  }

  private void addMisspellings(Set<String> phrases, Set<String> known, Dice dice) {
    Map<String, String> meanings = new LinkedHashMap<>();
    Set<String> ambiguous = new LinkedHashSet<>();
    for (String word : phrases) {
      if (word.length() < SHORTEST || !word.matches("[a-z]+")) {
        continue;
      }
      Dice own = dice.split(word);
      for (int i = 0; i < MISSPELLINGS_A_WORD; i++) {
        String wrong = Misspelling.of(word, own);
        String other = meanings.putIfAbsent(wrong, word);
        if (known.contains(wrong) || (other != null && !other.equals(word))) {
          ambiguous.add(wrong);
        }
      }
    }
    Set<String> publicWords = new LinkedHashSet<>();
    for (Entry entry : entries) {
      addNgrams(entry.written(), publicWords);
    }
    meanings.forEach(
        (wrong, word) -> {
          if (!ambiguous.contains(wrong) && !publicWords.contains(wrong)) {
            add(misspellings, new Entry(wrong, word, true, dice.chance(0.5)));
          }
        });
  }

  private void add(Map<String, List<Entry>> map, Entry entry) {
    entries.add(entry);
    map.computeIfAbsent(entry.meant(), key -> new ArrayList<>()).add(entry);
    if (entry.withheld()) {
      withheld.add(entry.written());
    }
  }

  private static void addNgrams(String phrase, Set<String> ngrams) {
    String[] words = phrase.split("[ ,()–/]+", -1);
    for (int from = 0; from < words.length; from++) {
      StringBuilder text = new StringBuilder();
      for (int to = from; to < StrictMath.min(words.length, from + LONGEST_PHRASE); to++) {
        text.append(to == from ? "" : " ").append(words[to]);
        ngrams.add(text.toString());
      }
    }
  }

  static String lower(String text) {
    return text.toLowerCase(Locale.ROOT);
  }
}

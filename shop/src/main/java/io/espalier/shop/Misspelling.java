package io.espalier.shop;

import java.util.List;
import java.util.Map;

/** Writes a word as fingers and ears get it wrong: slips of the hand, doubled letters, sounds. */
final class Misspelling {
  private static final Map<Character, String> NEIGHBOURS =
      Map.ofEntries(
          Map.entry('a', "qs"),
          Map.entry('b', "vn"),
          Map.entry('c', "xv"),
          Map.entry('d', "sf"),
          Map.entry('e', "wr"),
          Map.entry('f', "dg"),
          Map.entry('g', "fh"),
          Map.entry('h', "gj"),
          Map.entry('i', "uo"),
          Map.entry('j', "hk"),
          Map.entry('k', "jl"),
          Map.entry('l', "k"),
          Map.entry('m', "n"),
          Map.entry('n', "bm"),
          Map.entry('o', "ip"),
          Map.entry('p', "o"),
          Map.entry('q', "wa"),
          Map.entry('r', "et"),
          Map.entry('s', "ad"),
          Map.entry('t', "ry"),
          Map.entry('u', "yi"),
          Map.entry('v', "cb"),
          Map.entry('w', "qe"),
          Map.entry('x', "zc"),
          Map.entry('y', "tu"),
          Map.entry('z', "x"));
  private static final List<List<String>> SOUNDS =
      List.of(
          List.of("ph", "f"),
          List.of("ie", "ei"),
          List.of("ei", "ie"),
          List.of("ck", "k"),
          List.of("ough", "uff"),
          List.of("er", "ar"),
          List.of("or", "er"),
          List.of("ea", "ee"),
          List.of("ee", "ea"),
          List.of("able", "ible"),
          List.of("ai", "ay"),
          List.of("c", "k"),
          List.of("s", "z"),
          List.of("y", "i"),
          List.of("tion", "sion"),
          List.of("kn", "n"),
          List.of("ch", "tch"),
          List.of("ou", "ow"),
          List.of("au", "or"),
          List.of("ll", "l"),
          List.of("ss", "s"),
          List.of("tt", "t"),
          List.of("mm", "m"),
          List.of("a", "e"),
          List.of("e", "a"),
          List.of("i", "e"));

  private Misspelling() {}

  /** A misspelling that differs from the word; the first letter mostly stays. */
  static String of(String word, Dice dice) {
    String wrong = word;
    while (wrong.equals(word)) {
      int at = 1 + dice.below(word.length() - 1);
      wrong =
          switch (dice.below(6)) {
            case 0 -> swapped(word, StrictMath.min(at, word.length() - 2));
            case 1 -> word.substring(0, at) + word.substring(at + 1);
            case 2 -> word.substring(0, at) + word.charAt(at) + word.substring(at);
            case 3 -> slipped(word, at, dice);
            default -> sounded(word, dice);
          };
    }
    return wrong;
  }

  private static String swapped(String word, int at) {
    return word.substring(0, at) + word.charAt(at + 1) + word.charAt(at) + word.substring(at + 2);
  }

  private static String slipped(String word, int at, Dice dice) {
    String near = NEIGHBOURS.getOrDefault(word.charAt(at), "e");
    return word.substring(0, at) + near.charAt(dice.below(near.length())) + word.substring(at + 1);
  }

  private static String sounded(String word, Dice dice) {
    int start = dice.below(SOUNDS.size());
    for (int i = 0; i < SOUNDS.size(); i++) {
      List<String> sound = SOUNDS.get((start + i) % SOUNDS.size());
      int at = word.indexOf(sound.get(0), 1);
      if (at > 0) {
        return word.substring(0, at) + sound.get(1) + word.substring(at + sound.get(0).length());
      }
    }
    return word;
  }
}

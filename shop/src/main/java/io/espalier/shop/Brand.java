package io.espalier.shop;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * An invented maker.
 *
 * @param tier price tier, 1 (budget) to 4 (luxury)
 * @param style one of {@link Style}
 * @param lines the names of its ranges; products of one range are made to go together
 * @param fame how often it is bought, 1 on average
 */
record Brand(
    int index,
    String name,
    int tier,
    Style style,
    List<String> departments,
    List<String> lines,
    double fame) {

  /** A brand's manner, in its looks and its words. */
  enum Style {
    CLASSIC(0),
    MINIMAL(1),
    RUGGED(2),
    PLAYFUL(3),
    RETRO(4),
    NATURAL(5),
    ELEGANT(6),
    TECHNICAL(7),
    BOLD(8);

    final int number;

    Style(int number) {
      this.number = number;
    }
  }

  private static final int LINES = 9;

  static List<Brand> load(Dice dice) {
    List<String> words =
        Resources.lines("lines.txt").stream()
            .flatMap(line -> List.of(line.split(" ", -1)).stream())
            .toList();
    List<Brand> brands = new ArrayList<>();
    for (List<String> row : Resources.table("brands.tsv", 4)) {
      Dice own = dice.split(row.get(0));
      int[] order = own.permutation(words.size());
      List<String> lines = new ArrayList<>();
      for (int i = 0; i < LINES; i++) {
        lines.add(words.get(order[i]));
      }
      brands.add(
          new Brand(
              brands.size(),
              row.get(0),
              Integer.parseInt(row.get(1)),
              Style.valueOf(row.get(2).toUpperCase(Locale.ROOT)),
              List.of(row.get(3).split(" ", -1)),
              List.copyOf(lines),
              own.logNormal(0.35)));
    }
    return brands;
  }
}

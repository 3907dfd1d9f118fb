package io.espalier.shop;

import java.util.BitSet;

/**
 * The days on which a product can be bought: after its launch, and not while it is out of stock.
 */
final class Availability {
  private static final double OUTAGES_A_YEAR = 1.2;

  private final int launched;
  private final BitSet out;

  private Availability(int launched, BitSet out) {
    this.launched = launched;
    this.out = out;
  }

  /** A quarter of all products is launched during the history; popular ones sell out more often. */
  static Availability draw(Dice dice, int days, double appeal) {
    int launched = dice.chance(0.25) ? dice.below(days - 30) : -dice.below(700);
    BitSet out = new BitSet(days);
    double rate = OUTAGES_A_YEAR * StrictMath.min(3, StrictMath.sqrt(appeal)) / 365;
    double day = StrictMath.max(0, launched) + dice.exponential() / rate;
    while (day < days) {
      int length = 3 + dice.below(14);
      out.set((int) day, StrictMath.min(days, (int) day + length));
      day += length + dice.exponential() / rate;
    }
    return new Availability(launched, out);
  }

  int launched() {
    return launched;
  }

  boolean on(int day) {
    return day >= launched && !out.get(day);
  }
}

package io.espalier.shop;

import java.util.List;

/**
 * A splittable stream of pseudo-random numbers that depends on its seed alone (SplitMix64; Steele,
 * Lea and Flood, OOPSLA 2014). A split depends on the seed and its label, not on how much was drawn
 * before, so that a new draw in one place leaves every other place as it was.
 */
final class Dice {
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private final long seed;
  private long state;
  private double spare = Double.NaN;

  Dice(long seed) {
    this.seed = seed;
    this.state = seed;
  }

  Dice split(long label) {
    return new Dice(mix(seed ^ mix(label + GOLDEN)));
  }

  Dice split(String label) {
    long hash = 1125899906842597L;
    for (int i = 0; i < label.length(); i++) {
      hash = 31 * hash + label.charAt(i);
    }
    return split(hash);
  }

  long nextLong() {
    state += GOLDEN;
    return mix(state);
  }

  /** Uniform in [0, 1). */
  double uniform() {
    return (nextLong() >>> 11) * 0x1.0p-53;
  }

  int below(int bound) {
    return (int) (uniform() * bound);
  }

  boolean chance(double probability) {
    return uniform() < probability;
  }

  /** Standard normal, by Box and Muller. */
  double normal() {
    if (!Double.isNaN(spare)) {
      double second = spare;
      spare = Double.NaN;
      return second;
    }
    double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - uniform()));
    double angle = 2 * StrictMath.PI * uniform();
    spare = radius * StrictMath.sin(angle);
    return radius * StrictMath.cos(angle);
  }

  double logNormal(double sigma) {
    return StrictMath.exp(sigma * normal());
  }

  /** Exponential with mean 1. */
  double exponential() {
    return -StrictMath.log(1 - uniform());
  }

  <T> T of(List<T> values) {
    return values.get(below(values.size()));
  }

  /** An index drawn in proportion to the weights, or -1 when they sum to 0. */
  int weighted(double[] weights) {
    double sum = sum(weights);
    return sum > 0 ? weighted(weights, sum) : -1;
  }

  int weighted(double[] weights, double sum) {
    double left = uniform() * sum;
    int last = -1;
    for (int i = 0; i < weights.length; i++) {
      if (weights[i] > 0) {
        last = i;
        left -= weights[i];
        if (left < 0) {
          return i;
        }
      }
    }
    return last;
  }

  static double sum(double[] values) {
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    return sum;
  }

  int[] permutation(int size) {
    int[] order = new int[size];
    for (int i = 0; i < size; i++) {
      int j = below(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }

  private static long mix(long value) {
    long z = value;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}

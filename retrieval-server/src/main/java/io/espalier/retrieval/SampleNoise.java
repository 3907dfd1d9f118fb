package io.espalier.retrieval;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import io.espalier.retrieval.Control.Sampling;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * The noise that turns a beam search into draws without replacement: stochastic beam search (Kool,
 * van Hoof and Welling, 2019) over the legal items.
 *
 * <p>Every legal item has a Gumbel variable of its own, independent of the others, and a prefix has
 * the greatest that lies under it, weighted as the legal continuations' probabilities at the
 * temperature are: a prefix's variable is drawn first, those of its continuations on condition that
 * the greatest is the prefix's. What is ordered is score + temperature × variable, where the score
 * is the sum of full-vocabulary log-probabilities as in any search. With beams for all, the first
 * item is then drawn with probability ∝ exp(score ÷ temperature) among the legal items, the next in
 * the same way among the rest. With fewer beams the prefixes decide what is lost: at temperature 1
 * nothing that k beams would miss of k draws where all probability lies on legal items, and as the
 * temperature goes to 0 what the plain search loses.
 *
 * <p>Numbers come from the seed, the codes and the items' external ids alone, whatever the width or
 * the order of the beams and whatever numbers a snapshot gives the items.
 */
final class SampleNoise {
  private static final long STEP = 0x9E3779B97F4A7C15L;

  private final double temperature;
  // By beam: what its numbers come from, the logarithm of its share of the legal mass, and its
  // variable, which lies about that share.
  private long[] keys;
  private double[] shares;
  private double[] variables;
  private long[] freeKeys;
  private double[] freeShares;
  private double[] freeVariables;
  // By beam, of its continuations: the logarithm of their summed weights, and the greatest variable
  // before the condition.
  private final double[] sums;
  private final double[] greatest;
  // By continuation of the last beam.
  private double[] noise = new double[256];

  SampleNoise(Sampling sampling, int width) {
    this.temperature = sampling.temperature();
    this.keys = new long[width];
    this.shares = new double[width];
    this.variables = new double[width];
    this.freeKeys = new long[width];
    this.freeShares = new double[width];
    this.freeVariables = new double[width];
    this.sums = new double[width];
    this.greatest = new double[width];
    keys[0] = mix(sampling.seed());
    variables[0] = gumbel(keys[0], -1);
  }

  double temperature() {
    return temperature;
  }

  /**
   * Draws for the continuations of a beam.
   *
   * @param row where the beam's log-probabilities start
   */
  void draw(int beam, Continuations next, FloatBuffer logProbs, int row) {
    if (noise.length < next.size()) {
      noise = new double[Math.max(next.size(), 2 * noise.length)];
    }
    double most = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < next.size(); i++) {
      most = Math.max(most, logProbs.get(row + next.code(i)) / temperature);
    }
    double sum = 0;
    for (int i = 0; i < next.size(); i++) {
      sum += Math.exp(logProbs.get(row + next.code(i)) / temperature - most);
    }
    sums[beam] = most == Double.NEGATIVE_INFINITY ? 0 : most + Math.log(sum);
    greatest[beam] = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < next.size(); i++) {
      int code = next.code(i);
      double share = share(beam, logProbs.get(row + code));
      noise[i] = share + gumbel(keys[beam], code);
      greatest[beam] = Math.max(greatest[beam], noise[i]);
    }
    for (int i = 0; i < next.size(); i++) {
      double share = share(beam, logProbs.get(row + next.code(i)));
      double variable = conditioned(noise[i], greatest[beam], variables[beam]);
      noise[i] = scaled(variable, share);
    }
  }

  /** What is added to the score of the i-th continuation that {@link #draw} last drew for. */
  double of(int i) {
    return noise[i];
  }

  /**
   * Makes a beam of a continuation; {@link #commit} ends the level.
   *
   * @param beam of the next level
   * @param parent the beam that it continues, by a code of this log-probability
   */
  void follow(int beam, int parent, int code, float logProb) {
    double share = share(parent, logProb);
    freeKeys[beam] = key(keys[parent], code);
    freeShares[beam] = share;
    freeVariables[beam] =
        conditioned(share + gumbel(keys[parent], code), greatest[parent], variables[parent]);
  }

  void commit() {
    long[] oldKeys = keys;
    keys = freeKeys;
    freeKeys = oldKeys;
    double[] oldShares = shares;
    shares = freeShares;
    freeShares = oldShares;
    double[] oldVariables = variables;
    variables = freeVariables;
    freeVariables = oldVariables;
  }

  /**
   * The items of finished beams in the order drawn. Items on one semantic id have its score and
   * each a variable of its own.
   *
   * @param ids the external id of an item
   */
  List<BeamItem> order(List<Beam> beams, Constraint constraint, IntFunction<String> ids) {
    List<Drawn> all = new ArrayList<>();
    for (int b = 0; b < beams.size(); b++) {
      Beam beam = beams.get(b);
      IntStream.Builder legal = IntStream.builder();
      constraint.forEachItem(beam.state(), legal::add);
      int[] items = legal.build().toArray();
      double share = shares[b] - Math.log(items.length);
      double[] drawn = new double[items.length];
      double most = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < items.length; i++) {
        drawn[i] = share + gumbel(keys[b], ids.apply(items[i]));
        most = Math.max(most, drawn[i]);
      }
      for (int i = 0; i < items.length; i++) {
        double variable = conditioned(drawn[i], most, variables[b]);
        all.add(new Drawn(new BeamItem(items[i], beam), beam.score() + scaled(variable, share)));
      }
    }
    all.sort(
        Comparator.comparingDouble((Drawn drawn) -> -drawn.key())
            .thenComparingInt(drawn -> drawn.item().item()));
    return all.stream().map(Drawn::item).toList();
  }

  private record Drawn(BeamItem item, double key) {}

  private double share(int beam, float logProb) {
    return shares[beam] + logProb / temperature - sums[beam];
  }

  /** A variable as noise of the score; none for what has no probability and so no order. */
  private double scaled(double variable, double share) {
    return share == Double.NEGATIVE_INFINITY ? 0 : temperature * (variable - share);
  }

  /**
   * A variable, drawn freely, on condition that the greatest of its siblings is the parent's:
   * −log(exp(−parent) − exp(−greatest) + exp(−free)), as the paper's appendix computes it.
   */
  private static double conditioned(double free, double greatest, double parent) {
    double v = parent - free + Math.log1p(-Math.exp(free - greatest));
    return parent - Math.max(0, v) - Math.log1p(Math.exp(-Math.abs(v)));
  }

  /** A standard Gumbel variable. */
  private static double gumbel(long key, int number) {
    // Inside (0, 1), both ends left out.
    double uniform = ((mix(key(key, number)) >>> 11) + 0.5) * 0x1p-53;
    return -Math.log(-Math.log(uniform));
  }

  /** The same for an item, by its external id. */
  private static double gumbel(long key, String id) {
    long ofItem = key;
    for (int i = 0; i < id.length(); i++) {
      ofItem = key(ofItem, id.charAt(i));
    }
    return gumbel(ofItem, -1);
  }

  private static long key(long key, int number) {
    return mix(key + (number + 2) * STEP);
  }

  /** The finaliser of SplitMix64 (Steele, Lea and Flood, 2014). */
  private static long mix(long value) {
    long z = value + STEP;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}

package io.espalier.retrieval;

import io.espalier.index.trie.SemanticIdTrie;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * This project's side of {@code benchmarks/constraint-vs-static}: whole constrained decodes of a
 * random model, as many as each line of standard input says.
 *
 * <p>Arguments: items, levels, codes a level, beams, requests a decode, and the model: {@code
 * random} draws logits anew at each step, {@code given} has them; both take the log-softmax.
 */
public final class ConstrainedDecode {
  private ConstrainedDecode() {}

  public static void main(String[] args) throws IOException {
    int items = Integer.parseInt(args[0]);
    int levels = Integer.parseInt(args[1]);
    int codes = Integer.parseInt(args[2]);
    int beams = Integer.parseInt(args[3]);
    int requests = Integer.parseInt(args[4]);
    boolean draws = args[5].equals("random");
    int[] ids = new Random(1).ints((long) items * levels, 0, codes).toArray();
    double best = Double.MAX_VALUE;
    SemanticIdTrie trie = SemanticIdTrie.build(levels, ids);
    for (int round = 0; round < (items > 5_000_000 ? 1 : 5); round++) {
      long start = System.nanoTime();
      trie = SemanticIdTrie.build(levels, ids);
      best = Math.min(best, (System.nanoTime() - start) / 1e9);
    }
    System.out.printf("built %.4f %d %d%n", best, trie.bytes().ids(), trie.bytes().items());
    RandomModel model = new RandomModel(beams, codes, draws);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      int times = Integer.parseInt(line);
      StringBuilder answer = new StringBuilder();
      long illegal = 0;
      for (int i = 0; i < times; i++) {
        long start = System.nanoTime();
        for (int request = 0; request < requests; request++) {
          List<Beam> found = new BeamSearch(trie.constraint(trie.legal()), model, beams).run();
          illegal += beams - found.size();
        }
        answer.append((System.nanoTime() - start) / 1e6).append(' ');
      }
      System.out.println(answer.append(illegal));
    }
  }

  /**
   * Uniform logits and their log-softmax, with vector instructions, as a model's runtime has them.
   */
  private static final class RandomModel implements StepModel {
    private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;

    private final int codes;
    private final boolean draws;
    private final float[] logits;
    private final float[] logProbs;
    private int seed = 1;

    RandomModel(int beams, int codes, boolean draws) {
      this.codes = codes;
      this.draws = draws;
      this.logits = new float[beams * codes];
      this.logProbs = new float[beams * codes];
      for (int row = 0; row < beams; row++) {
        draw(row * codes);
        logSoftmax(row * codes);
      }
    }

    @Override
    public int codes() {
      return codes;
    }

    @Override
    public FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int rows) {
      if (draws) {
        for (int row = 0; row < rows; row++) {
          draw(row * codes);
          logSoftmax(row * codes);
        }
      }
      return FloatBuffer.wrap(logProbs);
    }

    private void draw(int from) {
      int base = seed++ * 0x9E3779B9;
      float[] to = logits;
      for (int i = 0; i < codes; i++) {
        int x = base + i * 0x85EBCA6B;
        x = (x ^ (x >>> 16)) * 0x7FEB352D;
        x = (x ^ (x >>> 15)) * 0x846CA68B;
        to[from + i] = ((x ^ (x >>> 16)) >>> 8) * 0x1p-24f;
      }
    }

    private void logSoftmax(int from) {
      FloatVector highest = FloatVector.broadcast(LANES, Float.NEGATIVE_INFINITY);
      for (int i = 0; i < codes; i += LANES.length()) {
        highest = highest.max(FloatVector.fromArray(LANES, logits, from + i));
      }
      float max = highest.reduceLanes(VectorOperators.MAX);
      FloatVector sums = FloatVector.zero(LANES);
      for (int i = 0; i < codes; i += LANES.length()) {
        sums =
            sums.add(
                FloatVector.fromArray(LANES, logits, from + i)
                    .sub(max)
                    .lanewise(VectorOperators.EXP));
      }
      float shift = max + (float) Math.log(sums.reduceLanes(VectorOperators.ADD));
      for (int i = 0; i < codes; i += LANES.length()) {
        FloatVector.fromArray(LANES, logits, from + i).sub(shift).intoArray(logProbs, from + i);
      }
    }
  }
}

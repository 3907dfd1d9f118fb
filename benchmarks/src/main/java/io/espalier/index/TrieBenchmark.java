package io.espalier.index;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import io.espalier.index.trie.LegalLeaves;
import io.espalier.index.trie.SemanticIdTrie;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.roaringbitmap.RoaringBitmap;

/** The trie over a million random semantic ids, and what a filter makes of it. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class TrieBenchmark {
  private static final int ITEMS = 1_000_000;

  @Param({"4x256", "8x2048"})
  public String shape = "";

  /** The share of the items that a filter lets through. */
  @Param({"1", "0.5", "0.01", "0.00002"})
  public double share;

  private int[] codes = new int[0];
  private int levels;
  private SemanticIdTrie trie = SemanticIdTrie.build(1, new int[0]);
  private RoaringBitmap matching = new RoaringBitmap();
  private LegalLeaves legal = trie.legal();
  private final Continuations next = new Continuations();

  @Setup
  public void build() {
    levels = Integer.parseInt(shape.substring(0, shape.indexOf('x')));
    Random random = new Random(1);
    codes =
        random
            .ints(
                (long) ITEMS * levels, 0, Integer.parseInt(shape.substring(shape.indexOf('x') + 1)))
            .toArray();
    trie = SemanticIdTrie.build(levels, codes);
    matching = new RoaringBitmap();
    for (int item = 0; item < ITEMS; item++) {
      if (random.nextDouble() < share) {
        matching.add(item);
      }
    }
    legal = share == 1 ? trie.legal() : trie.legal(matching);
  }

  /** From the root to 50 items, each time by the middle one of what may follow. */
  @Benchmark
  public long descend() {
    Constraint constraint = trie.constraint(legal);
    long sum = 0;
    for (int beam = 0; beam < 50; beam++) {
      long state = constraint.root();
      for (int level = 0; level < levels; level++) {
        constraint.expand(level, state, next);
        state = next.state((beam * 7919) % next.size());
      }
      sum += constraint.firstItem(state);
    }
    return sum;
  }

  /** What is done once for each filter and snapshot. */
  @Benchmark
  public LegalLeaves compile() {
    return trie.legal(matching);
  }
}

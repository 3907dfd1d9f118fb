package io.espalier.index.trie;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.roaringbitmap.RoaringBitmap;

/** The legal leaves of a million random semantic ids, of which a filter lets a share through. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class LegalLeavesBenchmark {
  private static final int ITEMS = 1_000_000;
  private static final int LEVELS = 4;
  private static final int ASKED = 1000;

  @Param({"1", "0.5", "0.1", "0.01", "0.0001"})
  public double share;

  private SemanticIdTrie trie = SemanticIdTrie.build(1, new int[0]);
  private LegalLeaves legal = trie.legal();
  private LegalLeaves seen = legal;
  private final int[] excluded = new int[100];
  private final int[] starts = new int[ASKED];
  private final Continuations out = new Continuations();

  @Setup
  public void build() {
    Random random = new Random(1);
    trie = SemanticIdTrie.build(LEVELS, random.ints((long) ITEMS * LEVELS, 0, 256).toArray());
    RoaringBitmap matching = new RoaringBitmap();
    for (int item = 0; item < ITEMS; item++) {
      if (random.nextDouble() < share) {
        matching.add(item);
      }
    }
    legal = share == 1 ? trie.legal() : trie.legal(matching);
    for (int i = 0; i < excluded.length; i++) {
      excluded[i] = random.nextInt(ITEMS);
    }
    seen = legal.without(excluded);
    for (int i = 0; i < ASKED; i++) {
      starts[i] = random.nextInt(ITEMS);
    }
  }

  /** The next legal leaf from anywhere. */
  @Benchmark
  @OperationsPerInvocation(ASKED)
  public long next() {
    long sum = 0;
    for (int start : starts) {
      sum += legal.next(start, ITEMS);
    }
    return sum;
  }

  /** The same with 100 seen items barred. */
  @Benchmark
  @OperationsPerInvocation(ASKED)
  public long nextUnseen() {
    long sum = 0;
    for (int start : starts) {
      sum += seen.next(start, ITEMS);
    }
    return sum;
  }

  /** The continuations of the root, which every request begins with. */
  @Benchmark
  public int expandRoot() {
    out.clear();
    legal.expandRoot(out);
    return out.size();
  }

  /** Bars 100 seen items: what each request does with a filter's leaves. */
  @Benchmark
  public LegalLeaves without() {
    return legal.without(excluded);
  }
}

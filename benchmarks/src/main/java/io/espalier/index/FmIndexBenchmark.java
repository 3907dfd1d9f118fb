package io.espalier.index;

import io.espalier.index.fm.FmIndex;
import io.espalier.index.trie.Continuations;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The FM-index over the made-up texts of many items: 25 tokens each, of 2,517, frequent and rare
 * ones as in titles (by Zipf's law), every third item a variant of another.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
public class FmIndexBenchmark {
  private static final int TOKENS = 2_517;
  private static final int LENGTH = 25;
  private static final int PATTERNS = 1024;

  @Param({"12101", "1000000"})
  public int items;

  /** Of so many places one is kept to locate others by. */
  @Param({"16"})
  public int rate;

  private int[] text = new int[0];
  private int[] begins = new int[1];
  private FmIndex index = FmIndex.build(1, text, begins, 1);
  // Ranges of patterns of one to four tokens, the token after each, and a row of each.
  private final long[] ranges = new long[PATTERNS];
  private final int[] following = new int[PATTERNS];
  private final long[] narrow = new long[PATTERNS];
  private final Continuations next = new Continuations();
  private int at;

  @Setup
  public void build() {
    Random random = new Random(1);
    text = new int[items * LENGTH];
    begins = new int[items + 1];
    Arrays.setAll(begins, item -> item * LENGTH);
    double[] upTo = new double[TOKENS];
    for (int token = 0; token < TOKENS; token++) {
      upTo[token] = (token == 0 ? 0 : upTo[token - 1]) + 1.0 / (token + 1);
    }
    for (int item = 0; item < items; item++) {
      boolean variant = item % 3 == 2;
      for (int i = 0; i < LENGTH; i++) {
        text[item * LENGTH + i] =
            variant && random.nextInt(8) > 0
                ? text[(item - 1) * LENGTH + i]
                : token(upTo, random.nextDouble() * upTo[TOKENS - 1]);
      }
    }
    index = FmIndex.build(TOKENS, text, begins, rate);
    for (int p = 0; p < PATTERNS; p++) {
      int length = 1 + p % 4;
      int from = random.nextInt(items) * LENGTH + random.nextInt(LENGTH - length);
      ranges[p] = index.find(Arrays.copyOfRange(text, from, from + length));
      following[p] = text[from + length];
      narrow[p] = index.extend(ranges[p], following[p]);
    }
  }

  private static int token(double[] upTo, double drawn) {
    int found = Arrays.binarySearch(upTo, drawn);
    return Math.min(TOKENS - 1, found < 0 ? -found - 1 : found);
  }

  private int next() {
    at = at + 1 & PATTERNS - 1;
    return at;
  }

  /** One token more after a pattern. */
  @Benchmark
  public long extend() {
    int p = next();
    return index.extend(ranges[p], following[p]);
  }

  /** What may follow a pattern of four tokens, and the ranges. */
  @Benchmark
  public int expandFour() {
    next.clear();
    index.expand(ranges[(next() & ~3) | 3], 0, TOKENS, next);
    return next.size();
  }

  /** What may follow one token, and the ranges: hundreds of tokens. */
  @Benchmark
  public int expandOne() {
    next.clear();
    index.expand(ranges[next() & ~3], 0, TOKENS, next);
    return next.size();
  }

  /** The place of one occurrence. */
  @Benchmark
  public int locate() {
    return index.locate((int) (narrow[next()] >>> Integer.SIZE));
  }

  /** The item of one occurrence. */
  @Benchmark
  public int item() {
    return index.item((int) (narrow[next()] >>> Integer.SIZE));
  }

  /** All of it from the tokens. */
  @Benchmark
  @OutputTimeUnit(TimeUnit.MILLISECONDS)
  public long construct() {
    return FmIndex.build(TOKENS, text, begins, rate).bytes();
  }
}

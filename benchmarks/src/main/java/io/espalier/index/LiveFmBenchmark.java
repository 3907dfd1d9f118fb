package io.espalier.index;

import io.espalier.index.fm.LiveFm;
import java.util.HashMap;
import java.util.Map;
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
 * Changes more beside so many items whose texts changed since the snapshot: 25 tokens each, of
 * 2,517, the low ones more frequent.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class LiveFmBenchmark {
  private static final int TOKENS = 2_517;
  private static final int LENGTH = 25;
  private static final int SNAPSHOT = 20_000;

  @Param({"1000", "2000", "5000", "20000"})
  public int changed;

  private final Random random = new Random(1);
  private LiveFm texts = LiveFm.of(TOKENS, new int[0][], 64);

  @Setup
  public void build() {
    int[][] ofSnapshot = new int[SNAPSHOT][];
    for (int item = 0; item < SNAPSHOT; item++) {
      ofSnapshot[item] = text();
    }
    texts = LiveFm.of(TOKENS, ofSnapshot, 64).after(changes(0, changed));
  }

  private int[] text() {
    return random.doubles(LENGTH).mapToInt(drawn -> (int) (TOKENS * drawn * drawn)).toArray();
  }

  private Map<Integer, int[]> changes(int first, int count) {
    Map<Integer, int[]> changes = new HashMap<>();
    for (int item = first; item < first + count; item++) {
      changes.put(item, text());
    }
    return changes;
  }

  /** One item that changed before has another text. */
  @Benchmark
  public int afterOne() {
    return texts.after(changes(random.nextInt(changed), 1)).size();
  }

  /** A hundred items that changed before have other texts. */
  @Benchmark
  public int afterHundred() {
    return texts.after(changes(random.nextInt(changed - 99), 100)).size();
  }
}

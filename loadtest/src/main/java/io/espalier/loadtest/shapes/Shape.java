package io.espalier.loadtest.shapes;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.loadtest.driver.NamedFiles;
import io.espalier.server.ConfigFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * How a load changes over its run, and who asks; a file of {@code loadtest/shapes}. Rates are
 * multiples of a base rate.
 *
 * @param what in a few words, for the report
 * @param rate of all that follows
 * @param burst where the rate jumps, again and again
 * @param day rates at equal distances over the run, linear between them, the first again at its
 *     end; where empty the rate is the same all the while
 * @param hotUser the share of all requests that one user makes
 * @param cold whether each request is one that nobody made before
 */
public record Shape(
    String what,
    double rate,
    @Nullable Burst burst,
    List<Double> day,
    double hotUser,
    boolean cold) {

  private static final double MOST_TIMES = 100;
  private static final ObjectNode DEFAULTS =
      ConfigFile.parse("{what: '', rate: 1, day: [], hot_user: 0, cold: false}", "defaults");
  private static final ObjectNode BURST =
      ConfigFile.parse("{times: 0, length: 0s, every: 0s}", "defaults");

  /**
   * A jump of the rate, at the end of each stretch of time.
   *
   * @param times the rate meanwhile
   * @param every how long a stretch is
   */
  public record Burst(double times, Duration length, Duration every) {
    /** Checks that it is one. */
    public Burst {
      check("times", times);
      if (!length.isPositive()) {
        throw new IllegalArgumentException("length: %s (expected: > 0)".formatted(length));
      }
      if (every.compareTo(length) <= 0) {
        throw new IllegalArgumentException(
            "every: %s (expected: longer than length, %s)".formatted(every, length));
      }
    }
  }

  /** Checks that it is one. */
  public Shape {
    if (what.isBlank()) {
      throw new IllegalArgumentException("what: empty (expected: the load, in a few words)");
    }
    check("rate", rate);
    day = List.copyOf(day);
    for (int i = 0; i < day.size(); i++) {
      check("day[" + i + "]", day.get(i));
    }
    if (day.size() == 1) {
      throw new IllegalArgumentException("day: %s (expected: two rates or more)".formatted(day));
    }
    if (burst != null && !day.isEmpty()) {
      throw new IllegalArgumentException("burst and day: both (expected: one of them, or none)");
    }
    if (!(hotUser >= 0 && hotUser <= 1)) {
      throw new IllegalArgumentException("hot_user: %s (expected: 0..1)".formatted(hotUser));
    }
    if (hotUser > 0 && cold) {
      throw new IllegalArgumentException("hot_user and cold: both (expected: one of them)");
    }
  }

  private static void check(String name, double times) {
    if (!(times > 0 && times <= MOST_TIMES)) {
      throw new IllegalArgumentException(
          "%s: %s (expected: > 0, at most %.0f)".formatted(name, times, MOST_TIMES));
    }
  }

  /** The base rate, all the while. */
  public static Shape steady() {
    return new Shape("the base rate, all the while", 1, null, List.of(), 0, false);
  }

  /** Reads {@code NAME.yaml} of a folder. */
  public static Shape read(Path folder, String name) {
    Path file = new NamedFiles(folder).file("shape", name);
    ObjectNode tree = ConfigFile.merge(DEFAULTS, ConfigFile.read(file));
    if (tree.get("burst") instanceof ObjectNode burst) {
      tree.set("burst", ConfigFile.merge(BURST, burst));
    }
    return ConfigFile.bind(tree, file.toString(), Shape.class);
  }

  /**
   * The rate at a time, as a multiple of the base rate.
   *
   * @param seconds since the start
   * @param length of the run
   */
  public double times(double seconds, Duration length) {
    if (burst != null) {
      double every = seconds(burst.every());
      boolean jumped = seconds % every >= every - seconds(burst.length());
      return rate * (jumped ? burst.times() : 1);
    }
    if (!day.isEmpty()) {
      double at = seconds / seconds(length) * day.size();
      int before = (int) at;
      double share = at - before;
      double between =
          (1 - share) * day.get(before % day.size()) + share * day.get((before + 1) % day.size());
      // However it was rounded.
      return rate * Math.min(between, Collections.max(day));
    }
    return rate;
  }

  /** The highest that the rate comes to. */
  public double most() {
    double jump = burst == null ? 1 : Math.max(1, burst.times());
    return rate * (day.isEmpty() ? jump : Collections.max(day));
  }

  /** What kind of question the request with a number is; the same each time. */
  public Asked asked(int number) {
    if (cold) {
      return Asked.UNSEEN;
    }
    return hotUser > 0 && new SplittableRandom(number).nextDouble() < hotUser
        ? Asked.HOT_USER
        : Asked.USUAL;
  }

  private static double seconds(Duration duration) {
    return duration.toNanos() / 1e9;
  }
}

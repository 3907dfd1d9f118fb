package io.espalier.ranking;

import java.time.Duration;

/**
 * How the ranking server spends its time.
 *
 * @param defaultDeadline of calls that bring none
 * @param answerReserve kept of every deadline for the answer's way back
 * @param warmUpLimit how long the first call of a bundle may take
 */
public record RankingSettings(
    Duration defaultDeadline, Duration answerReserve, Duration warmUpLimit) {
  public RankingSettings {
    positive("defaultDeadline", defaultDeadline);
    positive("warmUpLimit", warmUpLimit);
    if (answerReserve.isNegative()) {
      throw new IllegalArgumentException("answerReserve: " + answerReserve + " (expected: >= 0)");
    }
  }

  /** 1 s for calls that bring no deadline, 1 ms reserve, 30 s for a warm-up. */
  public static RankingSettings defaults() {
    return new RankingSettings(Duration.ofSeconds(1), Duration.ofMillis(1), Duration.ofSeconds(30));
  }

  private static void positive(String name, Duration value) {
    if (value.isNegative() || value.isZero()) {
      throw new IllegalArgumentException(name + ": " + value + " (expected: > 0)");
    }
  }
}

package io.espalier.rewrite;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * How the rewrite server spends its time and memory.
 *
 * @param tables a folder of tables that replace the bundles' own, {@code
 *     <name>/<version>/table.tsv}: tables of data that must not lie in the model repository
 * @param modelBudget how long an answer waits for the model at most
 * @param answerReserve kept of every deadline for the answer's way back
 * @param runLimit how long a run of the model may go on after its callers gave up, to fill the
 *     cache
 * @param modelRuns most runs at one time; beyond them the model is not asked
 * @param cachedQueries queries whose model answers are kept
 * @param defaultDeadline of calls that bring none
 * @param warmUpLimit how long the first run of a bundle may take
 */
public record RewriteSettings(
    Optional<Path> tables,
    Duration modelBudget,
    Duration answerReserve,
    Duration runLimit,
    int modelRuns,
    int cachedQueries,
    Duration defaultDeadline,
    Duration warmUpLimit) {
  public RewriteSettings {
    positive("modelBudget", modelBudget);
    if (answerReserve.isNegative()) {
      throw new IllegalArgumentException("answerReserve: " + answerReserve + " (expected: >= 0)");
    }
    positive("runLimit", runLimit);
    positive("defaultDeadline", defaultDeadline);
    positive("warmUpLimit", warmUpLimit);
    if (modelRuns < 1) {
      throw new IllegalArgumentException("modelRuns: " + modelRuns + " (expected: >= 1)");
    }
    if (cachedQueries < 0) {
      throw new IllegalArgumentException("cachedQueries: " + cachedQueries + " (expected: >= 0)");
    }
  }

  /** 50 ms for the model, 1 ms reserve, runs of 500 ms, 8 at a time, 100,000 cached queries. */
  public static RewriteSettings defaults() {
    return new RewriteSettings(
        Optional.empty(),
        Duration.ofMillis(50),
        Duration.ofMillis(1),
        Duration.ofMillis(500),
        8,
        100_000,
        Duration.ofSeconds(1),
        Duration.ofSeconds(30));
  }

  /** The same settings with tables from this folder. */
  public RewriteSettings withTables(Path folder) {
    return new RewriteSettings(
        Optional.of(folder),
        modelBudget,
        answerReserve,
        runLimit,
        modelRuns,
        cachedQueries,
        defaultDeadline,
        warmUpLimit);
  }

  /** The same settings with this budget for the model. */
  public RewriteSettings withModelBudget(Duration budget) {
    return new RewriteSettings(
        tables,
        budget,
        answerReserve,
        runLimit,
        modelRuns,
        cachedQueries,
        defaultDeadline,
        warmUpLimit);
  }

  private static void positive(String name, Duration value) {
    if (value.isNegative() || value.isZero()) {
      throw new IllegalArgumentException(name + ": " + value + " (expected: > 0)");
    }
  }
}

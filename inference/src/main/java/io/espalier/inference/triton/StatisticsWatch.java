package io.espalier.inference.triton;

import io.espalier.inference.ModelMetrics;
import io.espalier.inference.oip.v2.InferBatchStatistics;
import io.espalier.inference.oip.v2.InferStatistics;
import io.espalier.inference.oip.v2.ModelStatistics;
import io.opentelemetry.context.Context;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * What one server says of its runs of one model, as the measurements that the embedded engine makes
 * itself: rows and time of runs since the last look, those of a batch size at their mean.
 *
 * <p>Several clients may share a server. Each tells of its own share, which is that of the calls
 * which it had answered, so that the sum over clients is what the server did.
 */
final class StatisticsWatch {
  private final AtomicLong answered = new AtomicLong();
  // Written by the look alone.
  private volatile long queueNanos;
  private final Map<Long, Batch> before = new HashMap<>();
  private final Map<Long, Double> owed = new HashMap<>();
  private @Nullable ModelStatistics last;

  private record Batch(long runs, long nanos) {
    static Batch of(InferBatchStatistics statistics) {
      return new Batch(
          statistics.getComputeInfer().getCount(),
          statistics.getComputeInput().getNs()
              + statistics.getComputeInfer().getNs()
              + statistics.getComputeOutput().getNs());
    }
  }

  /** The server has answered a call of this client. */
  void answered() {
    answered.incrementAndGet();
  }

  /** How long calls waited in the server's own queue, as it was between the last two looks. */
  long queueNanos() {
    return queueNanos;
  }

  /**
   * Tells of what happened since the last look; nothing at the first, and at a server's restart.
   */
  void look(ModelStatistics now, ModelMetrics metrics) {
    long own = answered.getAndSet(0);
    ModelStatistics then = last;
    last = now;
    InferStatistics calls = now.getInferenceStats();
    long all =
        then == null
            ? -1
            : calls.getSuccess().getCount() - then.getInferenceStats().getSuccess().getCount();
    if (then == null || all < 0) {
      before.clear();
      now.getBatchStatsList().forEach(size -> before.put(size.getBatchSize(), Batch.of(size)));
      return;
    }
    if (all == 0) {
      return;
    }
    queueNanos =
        Math.max(0, calls.getQueue().getNs() - then.getInferenceStats().getQueue().getNs()) / all;
    double share = Math.min(1, (double) own / all);
    for (InferBatchStatistics size : now.getBatchStatsList()) {
      tell(size.getBatchSize(), Batch.of(size), share, metrics);
    }
  }

  private void tell(long rows, Batch sum, double share, ModelMetrics metrics) {
    Batch known = before.put(rows, sum);
    long runs = sum.runs() - (known == null ? 0 : known.runs());
    long nanos = sum.nanos() - (known == null ? 0 : known.nanos());
    if (runs <= 0) {
      return;
    }
    double due = owed.getOrDefault(rows, 0.0) + runs * share;
    long told = (long) due;
    owed.put(rows, due - told);
    for (long i = 0; i < told; i++) {
      metrics.ran(List.of(Context.root()), Math.toIntExact(rows), nanos / runs);
    }
  }
}

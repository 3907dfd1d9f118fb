package io.espalier.loadtest.hangup;

import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.InferStatistics;
import io.espalier.inference.oip.v2.ModelStatistics;
import io.espalier.inference.oip.v2.ModelStatisticsRequest;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.metrics.InstrumentType;
import io.opentelemetry.sdk.metrics.data.AggregationTemporality;
import io.opentelemetry.sdk.metrics.data.LongPointData;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.metrics.export.CollectionRegistration;
import io.opentelemetry.sdk.metrics.export.MetricReader;
import java.util.ArrayList;
import java.util.List;

/** What an engine does, read at once: from this process's metrics, and from servers' statistics. */
final class EngineReadings implements MetricReader {
  private final List<ManagedChannel> servers = new ArrayList<>();
  private CollectionRegistration metrics = CollectionRegistration.noop();

  /**
   * Readings of an engine.
   *
   * @param targets of the servers where models run; empty where they run in this process
   */
  EngineReadings(List<String> targets) {
    targets.forEach(target -> servers.add(ClientChannels.open(target)));
  }

  /**
   * Work that was done.
   *
   * @param rows of all runs of all models
   * @param seconds of all runs
   */
  record Work(long rows, double seconds) {
    Work since(Work before) {
      return new Work(rows - before.rows, seconds - before.seconds);
    }
  }

  /** Number of calls that wait for a model. */
  long waiting() {
    long sum = 0;
    for (MetricData metric : metrics.collectAllMetrics()) {
      if (metric.getName().equals("espalier.inference.queue.depth")) {
        for (LongPointData point : metric.getLongGaugeData().getPoints()) {
          sum += point.getValue();
        }
      }
    }
    return sum;
  }

  /** All work since the engine started. */
  Work work() {
    return servers.isEmpty() ? here() : elsewhere();
  }

  private Work here() {
    double rows = 0;
    double seconds = 0;
    for (MetricData metric : metrics.collectAllMetrics()) {
      double sum =
          metric.getHistogramData().getPoints().stream().mapToDouble(point -> point.getSum()).sum();
      rows += metric.getName().equals("espalier.inference.batch.size") ? sum : 0;
      seconds += metric.getName().equals("espalier.inference.compute.time") ? sum : 0;
    }
    return new Work((long) rows, seconds);
  }

  private Work elsewhere() {
    long rows = 0;
    long nanos = 0;
    for (ManagedChannel server : servers) {
      for (ModelStatistics model :
          GRPCInferenceServiceGrpc.newBlockingStub(server)
              .modelStatistics(ModelStatisticsRequest.getDefaultInstance())
              .getModelStatsList()) {
        rows += model.getInferenceCount();
        InferStatistics calls = model.getInferenceStats();
        // A call's is that of its whole batch: taken a run, by its batch size.
        nanos +=
            model.getBatchStatsList().stream()
                .mapToLong(
                    size ->
                        size.getComputeInput().getNs()
                            + size.getComputeInfer().getNs()
                            + size.getComputeOutput().getNs())
                .sum();
        if (model.getBatchStatsCount() == 0) {
          nanos += calls.getComputeInfer().getNs();
        }
      }
    }
    return new Work(rows, nanos / 1e9);
  }

  @Override
  public void register(CollectionRegistration registration) {
    metrics = registration;
  }

  @Override
  public AggregationTemporality getAggregationTemporality(InstrumentType type) {
    return AggregationTemporality.CUMULATIVE;
  }

  @Override
  public CompletableResultCode forceFlush() {
    return CompletableResultCode.ofSuccess();
  }

  @Override
  public CompletableResultCode shutdown() {
    servers.forEach(ManagedChannel::shutdownNow);
    return CompletableResultCode.ofSuccess();
  }
}

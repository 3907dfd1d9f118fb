package io.espalier.inference;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.LongHistogram;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongGauge;
import io.opentelemetry.api.metrics.ObservableLongMeasurement;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntSupplier;

/** What measures the models of one engine; closed with it. */
public final class ModelMeters implements AutoCloseable {
  private static final List<Long> ROWS = List.of(1L, 2L, 4L, 8L, 16L, 32L, 64L, 128L, 256L, 512L);

  final DoubleHistogram queueTime;
  final DoubleHistogram computeTime;
  final LongHistogram rows;
  final LongCounter refusals;
  final LongCounter cancellations;
  private final ObservableLongGauge depth;
  private final Set<ModelMetrics> alive = ConcurrentHashMap.newKeySet();

  public ModelMeters(Meter meter) {
    queueTime =
        meter
            .histogramBuilder("espalier.inference.queue.time")
            .setDescription("How long a call waited before its run started.")
            .setUnit("s")
            .build();
    computeTime =
        meter
            .histogramBuilder("espalier.inference.compute.time")
            .setDescription("How long a run took, gathering and copying out included.")
            .setUnit("s")
            .build();
    rows =
        meter
            .histogramBuilder("espalier.inference.batch.size")
            .setDescription("Rows of a run.")
            .setUnit("{row}")
            .ofLongs()
            .setExplicitBucketBoundariesAdvice(ROWS)
            .build();
    refusals =
        meter
            .counterBuilder("espalier.inference.refusals")
            .setDescription("Calls that were refused or failed, by reason.")
            .setUnit("{call}")
            .build();
    cancellations =
        meter
            .counterBuilder("espalier.inference.cancellations")
            .setDescription("Calls whose caller gave up before they ended.")
            .setUnit("{call}")
            .build();
    depth =
        meter
            .gaugeBuilder("espalier.inference.queue.depth")
            .setDescription("Calls that wait.")
            .setUnit("{call}")
            .ofLongs()
            .buildWithCallback(this::recordDepths);
  }

  /**
   * The measurements of a model; closed with it.
   *
   * @param name its own, of which those have the series alone
   * @param queued how many calls wait for it at present
   */
  public ModelMetrics of(String name, IntSupplier queued) {
    ModelMetrics model = new ModelMetrics(this, ModelEdition.series(name), queued);
    alive.add(model);
    return model;
  }

  void ended(ModelMetrics model) {
    alive.remove(model);
  }

  /** An edition and the one that follows it are there at the same time, under one name. */
  private void recordDepths(ObservableLongMeasurement gauge) {
    Map<Attributes, Long> sums = new HashMap<>();
    alive.forEach(model -> sums.merge(model.attributes(), (long) model.queued(), Long::sum));
    sums.forEach((model, sum) -> gauge.record(sum, model));
  }

  @Override
  public void close() {
    depth.close();
  }
}

package io.espalier.inference;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.inference.ModelException.Reason;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.data.LongPointData;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.metrics.data.PointData;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ModelMetersTest {
  private static final AttributeKey<String> MODEL = AttributeKey.stringKey("model");

  private final InMemoryMetricReader reader = InMemoryMetricReader.create();
  private final SdkMeterProvider provider =
      SdkMeterProvider.builder().registerMetricReader(reader).build();
  private final ModelMeters meters = new ModelMeters(provider.get("test"));

  @AfterEach
  void close() {
    meters.close();
    provider.close();
  }

  private static String edition(long offset) {
    return ModelEdition.name("shop-1-fused-live", offset, (int) offset * 31);
  }

  /** What is counted stays as long as the process: snapshots must not add to it. */
  @Test
  void of_manyEditionsOfOneModel_areMeasuredAsOneAndItsCountsGoOn() {
    for (int offset = 1; offset <= 3000; offset++) {
      try (ModelMetrics model = meters.of(edition(offset), () -> 0)) {
        model.started(Context.root(), 1000);
        model.ran(List.of(Context.root()), 1, 1000);
        model.refused(Reason.FAILED);
        model.cancelled();
      }
    }

    Set<String> models = new HashSet<>();
    long failed = 0;
    for (MetricData metric : reader.collectAllMetrics()) {
      for (PointData point : metric.getData().getPoints()) {
        models.add(String.valueOf(point.getAttributes().get(MODEL)));
        if ("failed".equals(point.getAttributes().get(AttributeKey.stringKey("reason")))) {
          failed += ((LongPointData) point).getValue();
        }
      }
    }
    assertThat(models).containsExactly("shop-1-fused-live");
    assertThat(failed).isEqualTo(3000);
  }

  @Test
  void depth_editionsThatAreThereAtOnce_isTheirSum() {
    ModelMetrics old = meters.of(edition(1), () -> 3);
    ModelMetrics next = meters.of(edition(2), () -> 4);
    ModelMetrics other = meters.of("other", () -> 5);
    assertThat(depths()).isEqualTo(Map.of("shop-1-fused-live", 7L, "other", 5L));

    old.close();
    assertThat(depths()).isEqualTo(Map.of("shop-1-fused-live", 4L, "other", 5L));

    next.close();
    other.close();
    assertThat(depths()).isEmpty();
  }

  private Map<String, Long> depths() {
    return reader.collectAllMetrics().stream()
        .filter(metric -> metric.getName().equals("espalier.inference.queue.depth"))
        .flatMap(metric -> metric.getLongGaugeData().getPoints().stream())
        .collect(
            Collectors.toMap(
                point -> String.valueOf(point.getAttributes().get(MODEL)),
                LongPointData::getValue));
  }
}

package io.espalier.catalog;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.concurrent.atomic.AtomicLong;

/** What is counted of snapshots, by those who publish and those who use them. */
final class SnapshotMetrics {
  private static final AttributeKey<String> STEP = AttributeKey.stringKey("step");

  private final LongCounter published;
  private final LongCounter opened;
  private final LongCounter failures;
  private final AtomicLong failed = new AtomicLong();

  SnapshotMetrics(Meter meter) {
    this.published =
        meter
            .counterBuilder("espalier.catalog.snapshots.published")
            .setDescription("Snapshots that were published.")
            .build();
    this.opened =
        meter
            .counterBuilder("espalier.catalog.snapshots.opened")
            .setDescription("Snapshots that were fetched, verified and mapped.")
            .build();
    this.failures =
        meter
            .counterBuilder("espalier.catalog.snapshots.failures")
            .setDescription("Snapshots that could not be published, read or opened, by step.")
            .build();
  }

  void published() {
    published.add(1);
  }

  void opened() {
    opened.add(1);
  }

  void failed(String step) {
    failed.incrementAndGet();
    failures.add(1, Attributes.of(STEP, step));
  }

  /** How often anything failed. */
  long failures() {
    return failed.get();
  }
}

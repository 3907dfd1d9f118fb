package io.espalier.catalog;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/** What is counted of snapshots, by those who publish and those who use them. */
final class SnapshotMetrics {
  private static final AttributeKey<String> STEP = AttributeKey.stringKey("step");

  private final LongCounter published;
  private final LongCounter opened;
  private final LongCounter failures;
  private final LongCounter swapped;
  private final Meter meter;
  private final AtomicLong failed = new AtomicLong();

  SnapshotMetrics(Meter meter) {
    this.meter = meter;
    this.swapped =
        meter
            .counterBuilder("espalier.catalog.snapshots.swaps")
            .setDescription("Times that a snapshot took the place of the one that was searched.")
            .build();
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

  void swapped() {
    swapped.add(1);
  }

  /** Watches how far behind a follower is, and how old the newest snapshot. */
  void observe(LongSupplier lag, LongSupplier publishedMillis) {
    meter
        .gaugeBuilder("espalier.catalog.lag")
        .ofLongs()
        .setDescription(
            "Changes between the log's end and what was taken; -1 before any was heard.")
        .buildWithCallback(gauge -> gauge.record(lag.getAsLong()));
    meter
        .gaugeBuilder("espalier.catalog.snapshot.age")
        .setUnit("s")
        .setDescription("Since the newest snapshot that is used was published.")
        .buildWithCallback(
            gauge ->
                gauge.record((System.currentTimeMillis() - publishedMillis.getAsLong()) / 1000.0));
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

package io.espalier.catalog;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/** What is counted of snapshots, by those who publish and those who use them. */
final class SnapshotMetrics {
  private static final AttributeKey<String> STEP = AttributeKey.stringKey("step");

  /** Where it can fail. */
  enum Step {
    MANIFEST,
    OPEN,
    PUBLISH,
    PRUNE
  }

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
    // Who watches has to see the first one as a rise.
    swapped.add(0);
    published.add(0);
    opened.add(0);
    for (Step step : Step.values()) {
      failures.add(0, attributes(step));
    }
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

  /** Watches how old the newest snapshot is that is used; 0 is none yet. */
  void observe(LongSupplier publishedMillis) {
    meter
        .gaugeBuilder("espalier.catalog.snapshot.age")
        .setUnit("s")
        .setDescription("Since the newest snapshot that is used was published.")
        .buildWithCallback(
            gauge -> {
              long published = publishedMillis.getAsLong();
              if (published > 0) {
                gauge.record((System.currentTimeMillis() - published) / 1000.0);
              }
            });
  }

  void failed(Step step) {
    failed.incrementAndGet();
    failures.add(1, attributes(step));
  }

  private static Attributes attributes(Step step) {
    return Attributes.of(STEP, step.name().toLowerCase(Locale.ROOT));
  }

  /** How often anything failed. */
  long failures() {
    return failed.get();
  }
}

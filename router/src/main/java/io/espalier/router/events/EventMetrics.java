package io.espalier.router.events;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongGauge;
import java.util.Locale;
import java.util.function.LongSupplier;

/** What becomes of the records of the event log. */
final class EventMetrics implements AutoCloseable {
  private static final AttributeKey<String> REASON = AttributeKey.stringKey("espalier.reason");

  /** Why a record is not in the log. */
  enum Dropped {
    /** More waited for the log than the queue holds. */
    QUEUE_FULL,
    /** The log can take no more before a restart. */
    LOG_LOST,
    /** They could not be made into records: a defect. */
    FAILED,
    /** The router was stopped before the log took it. */
    CLOSED,
    /** It is of before its user's erasure. */
    ERASED
  }

  private final LongCounter logged;
  private final LongCounter dropped;
  private final LongCounter failures;
  private final ObservableLongGauge depth;

  EventMetrics(Meter meter, LongSupplier waiting) {
    logged =
        meter
            .counterBuilder("espalier.router.events.logged")
            .setDescription("Records of pages and interactions that the event log has taken")
            .build();
    dropped =
        meter
            .counterBuilder("espalier.router.events.dropped")
            .setDescription("Records that are not in the event log, by reason")
            .build();
    failures =
        meter
            .counterBuilder("espalier.router.events.failures")
            .setDescription("Times that the event log or the users' keys were not to be had")
            .build();
    depth =
        meter
            .gaugeBuilder("espalier.router.events.queue.depth")
            .ofLongs()
            .setDescription("Records that wait for the event log")
            .buildWithCallback(measurement -> measurement.record(waiting.getAsLong()));
    // An alarm's counter is there before it rings.
    for (Dropped reason : Dropped.values()) {
      dropped(reason, 0);
    }
    failures.add(0);
  }

  void logged(int records) {
    logged.add(records);
  }

  void dropped(Dropped reason, int records) {
    dropped.add(records, Attributes.of(REASON, reason.name().toLowerCase(Locale.ROOT)));
  }

  void failed() {
    failures.add(1);
  }

  @Override
  public void close() {
    depth.close();
  }
}

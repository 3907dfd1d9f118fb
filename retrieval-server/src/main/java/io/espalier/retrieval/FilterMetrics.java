package io.espalier.retrieval;

import io.espalier.index.filter.ItemFilter;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;

/** Counts how often the filter of a request had been compiled before. */
final class FilterMetrics {
  private static final AttributeKey<Boolean> FOUND = AttributeKey.booleanKey("found");

  private final LongCounter filters;

  FilterMetrics(Meter meter) {
    this.filters =
        meter
            .counterBuilder("espalier.retrieval.filters")
            .setDescription("Filters of requests; found=false where one was compiled for it")
            .build();
  }

  void asked(Question question) {
    ItemFilter filter = question.filter();
    if (filter != null && filters.isEnabled()) {
      boolean found = question.catalogue().items().snapshot().isCompiled(filter);
      filters.add(1, Attributes.of(FOUND, found));
    }
  }
}

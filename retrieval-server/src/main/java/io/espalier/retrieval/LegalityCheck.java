package io.espalier.retrieval;

import io.espalier.index.live.LiveItems;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import java.util.List;
import java.util.function.Predicate;
import org.roaringbitmap.RoaringBitmap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The last look at an answer: that the catalogue has each item, and that the question allows it.
 *
 * <p>Every source finds legal items alone, so what is caught here is a defect: it is left out,
 * counted, and rings an alarm.
 */
final class LegalityCheck {
  private static final Logger log = LoggerFactory.getLogger(LegalityCheck.class);
  private static final AttributeKey<String> SOURCE = AttributeKey.stringKey("source");

  private final LongCounter illegal;

  LegalityCheck(Meter meter) {
    this.illegal =
        meter
            .counterBuilder("espalier.retrieval.illegal_items")
            .setDescription("Items that a source found and must not have, by source: defects")
            .build();
  }

  /** A source may answer from now on: an alarm has to see its first illegal item as a rise. */
  void begin(String source) {
    illegal.add(0, Attributes.of(SOURCE, source));
  }

  /** The legal ones among what a source found. */
  List<Answer.Hit> legal(List<Answer.Hit> hits, Question question, String source) {
    LiveItems items = question.catalogue().items();
    RoaringBitmap allowed =
        question.filter() == null ? items.all() : items.matching(question.filter());
    Predicate<Answer.Hit> isLegal =
        hit -> {
          int index = items.indexOf(hit.id());
          return index >= 0 && allowed.contains(index) && !question.exclude().contains(hit.id());
        };
    if (hits.stream().allMatch(isLegal)) {
      return hits;
    }
    List<Answer.Hit> legal = hits.stream().filter(isLegal).toList();
    illegal.add(hits.size() - legal.size(), Attributes.of(SOURCE, source));
    log.error(
        "source {} found {} illegal items at offset {}: {}",
        source,
        hits.size() - legal.size(),
        question.catalogue().offset(),
        hits.stream().filter(isLegal.negate()).map(Answer.Hit::id).toList());
    return legal;
  }
}

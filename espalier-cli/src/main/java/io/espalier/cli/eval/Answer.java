package io.espalier.cli.eval;

import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import java.util.List;

/**
 * What a source or the route returned.
 *
 * @param items external ids, best first
 * @param degradations what the answer says was left out
 */
record Answer(List<String> items, List<String> degradations) {
  Answer {
    items = List.copyOf(items);
    degradations = List.copyOf(degradations);
  }

  static Answer of(List<String> items) {
    return new Answer(items, List.of());
  }

  static Answer of(ResultPage page) {
    return new Answer(
        page.getItemsList().stream().map(ResultItem::getItemId).toList(),
        page.getDegradationsList().stream()
            .map(d -> d.getStage() + " " + d.getReason().name().replace("DEGRADATION_REASON_", ""))
            .toList());
  }
}

package io.espalier.router;

import com.google.common.primitives.ImmutableDoubleArray;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.router.SourceList.Retrieved;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The probability that a route's policy showed each item at its place, given the request, what the
 * stages answered, and the items before it; NaN where it is not known.
 *
 * <p>Where nothing is drawn it is 1. Where the list is the draws of one source that had beams for
 * all legal items, draws without replacement from exp(score ÷ temperature), it is that weight over
 * the sum of those not drawn yet. Whatever merges, ranks, moves or cuts short the draws makes it
 * unknown: it is then a sum over all draws that end in the same place.
 */
final class Propensities {
  private static final double SURE = 1;

  private Propensities() {}

  static List<Double> of(Route route, List<Retrieved> lists, boolean ranked, List<ListItem> items) {
    boolean drawn = lists.stream().anyMatch(list -> sampling(route, list) != null);
    if (!drawn) {
      return Collections.nCopies(items.size(), SURE);
    }
    Retrieved list = lists.getFirst();
    SourceDecoding.@Nullable Sampling sampling = sampling(route, list);
    if (lists.size() > 1
        || sampling == null
        || ranked
        || route.merge().method() != Route.Merge.Method.RRF
        || !route.rules().isEmpty()
        || !list.response().hasLogMass()) {
      return unknown(items.size());
    }
    List<Candidate> draws = list.response().getCandidatesList();
    ImmutableDoubleArray.Builder propensities = ImmutableDoubleArray.builder(items.size());
    double left = list.response().getLogMass();
    for (int i = 0; i < items.size(); i++) {
      if (i >= draws.size() || !draws.get(i).getItemId().equals(items.get(i).id())) {
        return unknown(items.size());
      }
      double own = draws.get(i).getScore() / sampling.temperature();
      // The last of all is sure, whatever rounding left.
      propensities.add(Math.min(SURE, Math.exp(own - left)));
      left = own < left ? left + Math.log1p(-Math.exp(own - left)) : own;
    }
    return propensities.build().asList();
  }

  /** Of a list that was kept and lost some of its items since. */
  static List<Double> ofCached(List<Double> before, int size) {
    return before.stream().allMatch(propensity -> propensity == SURE)
        ? Collections.nCopies(size, SURE)
        : unknown(size);
  }

  private static List<Double> unknown(int size) {
    return Collections.nCopies(size, Double.NaN);
  }

  /** How a list was drawn; null where it was not. A seed that the route gives draws the same. */
  private static SourceDecoding.@Nullable Sampling sampling(Route route, Retrieved list) {
    SourceDecoding decoding = route.sources().get(list.list().source()).decoding();
    SourceDecoding.Sampling sampling = decoding == null ? null : decoding.sampling();
    return sampling == null || sampling.seed() != null ? null : sampling;
  }
}

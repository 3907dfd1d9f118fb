package io.espalier.router;

import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.router.v1.Rewrite;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The whole list that a route answers with, and how it came about.
 *
 * @param items best first, after the rules, cut at the route's list size
 * @param rewrites that were searched beside the query
 * @param shortList whether a source had fewer legal items than it was asked for
 * @param catalogOffset the least that a source saw
 * @param seen what the user dealt with, oldest first
 * @param evidence what the event log says of how it came about
 * @param trail what was decided on the way
 */
record RouteAnswer(
    List<ListItem> items,
    List<Rewrite> rewrites,
    boolean shortList,
    long catalogOffset,
    List<String> seen,
    Evidence evidence,
    Trail trail) {

  /**
   * What is kept with a list for the event log.
   *
   * @param history external ids that sources and ranker were given, oldest first
   * @param ranker as {@code name@version}; empty where none ordered the list
   * @param propensities of the items, one each; NaN where it is not known. As {@link Propensities}
   *     makes them: unmodifiable, and smaller than a copy would be
   */
  record Evidence(List<String> history, String ranker, List<Double> propensities) {
    Evidence {
      history = List.copyOf(history);
    }
  }

  /**
   * What was decided on the way: what an explanation needs.
   *
   * @param asked each source of the route, asked or not
   * @param excluded items that were not to be returned
   * @param merged the union of all lists, best first
   * @param candidates how many of them the ranker was given
   * @param ranked after ranking; the merged list where there was none
   * @param removed by rules, with the rule
   */
  record Trail(
      List<AskedSource> asked,
      Set<String> excluded,
      List<ListItem> merged,
      int candidates,
      boolean rankingRan,
      List<ListItem> ranked,
      Map<String, String> removed) {}

  /** A source and what it was asked for the query or the history; empty when it was not asked. */
  record AskedSource(Route.Source source, Optional<RetrieveRequest> request, String outcome) {}
}

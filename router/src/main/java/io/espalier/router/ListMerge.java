package io.espalier.router;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.retrieval.v1.Candidate;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Makes one list of several: by reciprocal ranks, or by scores that were calibrated on validation
 * data; raw scores of different sources are never mixed.
 *
 * <p>Reciprocal-rank fusion: Cormack, Clarke, Büttcher, SIGIR 2009, score = Σ weight ÷ (k + rank).
 */
final class ListMerge {
  private final Route.Merge merge;
  private final String ranker;

  ListMerge(Route route) {
    this.merge = route.merge();
    this.ranker = route.ranking() == null ? "" : route.ranking().bundle().name();
  }

  /** Every item that a list holds, best first, with where it came from. */
  List<ListItem> merge(List<SourceList.Retrieved> lists) {
    Map<String, List<ListItem.Hit>> hits = new LinkedHashMap<>();
    for (SourceList.Retrieved retrieved : lists) {
      Set<String> once = new HashSet<>();
      int rank = 0;
      for (Candidate candidate : retrieved.response().getCandidatesList()) {
        if (!candidate.getItemId().isEmpty() && once.add(candidate.getItemId())) {
          hits.computeIfAbsent(candidate.getItemId(), unused -> new ArrayList<>(2))
              .add(new ListItem.Hit(retrieved.list(), rank++, candidate));
        }
      }
    }
    List<ListItem> items = new ArrayList<>(hits.size());
    hits.forEach(
        (id, where) ->
            items.add(
                calibrated()
                    ? new ListItem(
                        id,
                        calibratedScore(where),
                        ScoreKind.SCORE_KIND_FUSED_LOG_PROBABILITY,
                        where,
                        List.of(),
                        List.of())
                    : new ListItem(
                        id,
                        reciprocalRank(where),
                        ScoreKind.SCORE_KIND_RECIPROCAL_RANK,
                        where,
                        List.of(),
                        List.of())));
    items.sort(ListItem.BEST_FIRST);
    return items;
  }

  /**
   * The list in its final order, once the ranker has scored it.
   *
   * @param scores in the order of {@code candidates}
   */
  List<ListItem> withRanking(
      List<ListItem> candidates, List<RankedCandidate> scores, ScoreKind kind) {
    List<ListItem> ranked = new ArrayList<>(candidates.size());
    for (int i = 0; i < candidates.size(); i++) {
      ListItem candidate = candidates.get(i);
      RankedCandidate scored = scores.get(i);
      List<ScorePart> parts = new ArrayList<>(scored.getPartsList());
      parts.add(part(ranker, scored.getScore()));
      parts.add(part(calibrated() ? "merge/calibrated" : "merge/rrf", candidate.score()));
      ranked.add(candidate.scored(scored.getScore(), kind, List.copyOf(parts)));
    }
    ranked.sort(ListItem.BEST_FIRST);
    return switch (merge.method()) {
      case RANKER -> ranked;
      case RRF -> {
        Map<String, Double> merged = mergedScores(candidates);
        List<ListItem> fused = new ArrayList<>(ranked.size());
        for (int rank = 0; rank < ranked.size(); rank++) {
          ListItem item = ranked.get(rank);
          double score =
              merged.getOrDefault(item.id(), 0.0) + merge.weight(ranker) / (merge.k() + rank + 1.0);
          fused.add(item.scored(score, ScoreKind.SCORE_KIND_RECIPROCAL_RANK, item.parts()));
        }
        fused.sort(ListItem.BEST_FIRST);
        yield fused;
      }
      case CALIBRATED -> {
        Map<String, Double> merged = mergedScores(candidates);
        Route.@Nullable Calibration calibration = merge.calibration().get(ranker);
        List<ListItem> fused = new ArrayList<>(ranked.size());
        for (ListItem item : ranked) {
          double own = calibration == null ? 0 : calibration.apply(item.score());
          fused.add(
              item.scored(
                  merged.getOrDefault(item.id(), 0.0) + own,
                  ScoreKind.SCORE_KIND_FUSED_LOG_PROBABILITY,
                  item.parts()));
        }
        fused.sort(ListItem.BEST_FIRST);
        yield fused;
      }
    };
  }

  private static Map<String, Double> mergedScores(List<ListItem> candidates) {
    Map<String, Double> merged = new LinkedHashMap<>();
    candidates.forEach(candidate -> merged.put(candidate.id(), candidate.score()));
    return merged;
  }

  private boolean calibrated() {
    return merge.method() == Route.Merge.Method.CALIBRATED;
  }

  private static ScorePart part(String name, double value) {
    return ScorePart.newBuilder().setName(name).setValue(value).build();
  }

  private double reciprocalRank(List<ListItem.Hit> hits) {
    double score = 0;
    for (ListItem.Hit hit : hits) {
      score += hit.list().weight() / (merge.k() + hit.rank() + 1.0);
    }
    return score;
  }

  private double calibratedScore(List<ListItem.Hit> hits) {
    Map<String, Double> best = new LinkedHashMap<>();
    for (ListItem.Hit hit : hits) {
      Route.@Nullable Calibration calibration = merge.calibration().get(hit.list().bundle());
      if (calibration != null) {
        best.merge(hit.list().bundle(), calibration.apply(hit.candidate().getScore()), Math::max);
      }
    }
    double score = 0;
    for (var entry : merge.calibration().entrySet()) {
      if (entry.getKey().equals(ranker)) {
        continue;
      }
      score += best.getOrDefault(entry.getKey(), entry.getValue().missing());
    }
    return score;
  }
}

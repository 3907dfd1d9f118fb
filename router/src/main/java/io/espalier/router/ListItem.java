package io.espalier.router;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.router.v1.Beam;
import io.espalier.router.v1.ExplanationLevel;
import io.espalier.router.v1.NamedScore;
import io.espalier.router.v1.Provenance;
import io.espalier.router.v1.ResultItem;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * An item of a list on its way to an answer.
 *
 * @param score orders the list
 * @param hits every list that returned the item; empty for one that a rule put there
 * @param parts what went into the score, by name
 * @param rules the caller's rules that moved it
 */
record ListItem(
    String id,
    double score,
    ScoreKind kind,
    List<Hit> hits,
    List<ScorePart> parts,
    List<String> rules) {

  /** By score; equal ones by the best rank in any list, then the earlier source, then the id. */
  static final Comparator<ListItem> BEST_FIRST =
      Comparator.comparingDouble(ListItem::score)
          .reversed()
          .thenComparingInt(ListItem::bestRank)
          .thenComparingInt(ListItem::firstSource)
          .thenComparing(ListItem::id);

  /** The item's place in one source's list, from 0. */
  record Hit(SourceList list, int rank, Candidate candidate) {}

  int bestRank() {
    return hits.stream().mapToInt(Hit::rank).min().orElse(Integer.MAX_VALUE);
  }

  int firstSource() {
    return hits.stream().mapToInt(hit -> hit.list().source()).min().orElse(Integer.MAX_VALUE);
  }

  ListItem scored(double newScore, ScoreKind newKind, List<ScorePart> newParts) {
    // NaN would break the order of the whole list.
    double ordered = Double.isNaN(newScore) ? Double.NEGATIVE_INFINITY : newScore;
    return new ListItem(id, ordered, newKind, hits, newParts, rules);
  }

  ListItem movedBy(String rule, double newScore) {
    List<String> all = new ArrayList<>(rules);
    all.add(rule);
    return new ListItem(id, newScore, kind, hits, parts, List.copyOf(all));
  }

  ResultItem toProto(ExplanationLevel level) {
    ResultItem.Builder item =
        ResultItem.newBuilder().setItemId(id).setScore(score).setScoreKind(kind).addAllRules(rules);
    if (level == ExplanationLevel.EXPLANATION_LEVEL_NONE) {
      return item.build();
    }
    for (Hit hit : hits) {
      Provenance.Builder provenance =
          Provenance.newBuilder()
              .setSource(hit.list().bundle())
              .setRank(hit.rank())
              .setScore(hit.candidate().getScore())
              .setScoreKind(hit.list().kind())
              .setRewrite(hit.list().rewrite());
      if (hit.candidate().getSemanticIdCount() > 0) {
        provenance.setBeam(
            Beam.newBuilder()
                .addAllSemanticId(hit.candidate().getSemanticIdList())
                .setLogProbability(hit.candidate().getScore()));
      }
      item.addProvenance(provenance);
    }
    if (level == ExplanationLevel.EXPLANATION_LEVEL_FULL) {
      for (ScorePart part : parts) {
        item.addScores(
            NamedScore.newBuilder()
                .setName(part.getName())
                .setValue(part.getValue())
                .setIsDefault(part.getIsDefault()));
      }
    }
    return item.build();
  }
}

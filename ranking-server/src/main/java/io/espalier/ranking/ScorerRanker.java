package io.espalier.ranking;

import io.espalier.ranking.InnerProductScorer.Logit;
import io.espalier.ranking.ModelCalls.Pending;
import io.espalier.ranking.Ranking.Kind;
import io.espalier.ranking.Ranking.Part;
import io.espalier.ranking.Ranking.RankedItem;
import io.espalier.ranking.RankingQuery.Candidate;
import io.espalier.stores.features.FeatureRows;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Ranks by one model's logits as they are.
 *
 * <p>An item of which the model says nothing gets the lowest logit of the catalogue; a user of whom
 * it knows nothing gets 0 for every item.
 */
final class ScorerRanker implements Ranker {
  private final InnerProductScorer scorer;

  ScorerRanker(InnerProductScorer scorer) {
    this.scorer = scorer;
  }

  @Override
  public Ranking rank(RankingQuery query, ModelCalls calls) {
    FeatureRows rows = scorer.rows(query, calls);
    Optional<Pending> pending = scorer.start(query.history(), rows, calls);
    List<RankedItem> ranked = new ArrayList<>(query.candidates().size());
    String name = scorer.id().name();
    if (pending.isEmpty()) {
      for (Candidate candidate : query.candidates()) {
        ranked.add(new RankedItem(candidate.itemId(), 0, List.of(new Part(name, 0, true))));
      }
      return new Ranking(Kind.SIMILARITY, ranked, List.of(), false);
    }
    float[] users = pending.get().floats();
    double lowest = Double.NaN;
    for (Candidate candidate : query.candidates()) {
      Logit logit = scorer.logit(users, rows, candidate.itemId());
      double score = logit.value();
      if (Double.isNaN(score) && !logit.known()) {
        if (Double.isNaN(lowest)) {
          lowest = lowest(scorer.logits(users));
        }
        score = lowest;
      }
      Part part = new Part(name, score, !logit.known());
      ranked.add(new RankedItem(candidate.itemId(), score, List.of(part)));
    }
    return new Ranking(Kind.SIMILARITY, ranked, List.of(), rows.isLate());
  }

  private static double lowest(float[] logits) {
    float lowest = Float.POSITIVE_INFINITY;
    for (float logit : logits) {
      lowest = Math.min(lowest, logit);
    }
    return lowest;
  }

  @Override
  public RankingQuery example() {
    String item = scorer.items().id(0);
    return new RankingQuery(List.of(item), "", List.of(), List.of(new Candidate(item, List.of())));
  }

  @Override
  public List<String> models() {
    return List.of(scorer.model());
  }

  @Override
  public void close() {
    scorer.close();
  }
}

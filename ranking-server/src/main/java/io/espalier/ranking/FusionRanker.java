package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.ranking.InnerProductScorer.Logit;
import io.espalier.ranking.ModelCalls.Pending;
import io.espalier.ranking.Ranking.Kind;
import io.espalier.ranking.Ranking.Part;
import io.espalier.ranking.Ranking.RankedItem;
import io.espalier.ranking.RankingQuery.Candidate;
import io.espalier.ranking.RankingQuery.SourceScore;
import io.espalier.stores.features.EmbeddedFeatures;
import io.espalier.stores.features.FeatureRows;
import io.espalier.stores.features.FeatureTable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/**
 * Fuses models and sources on one scale: a candidate's score is Σ weight · max(log-probability,
 * floor).
 *
 * <p>A scorer's log-probability is the log-softmax of logit ÷ temperature over its whole catalogue.
 * A source's is what its score says. Where one of them says nothing of a candidate, its floor
 * counts. Scorers run side by side.
 */
final class FusionRanker implements Ranker {
  private static final Logit NOTHING = new Logit(Double.NaN, false);
  // Of a source, which has no features of its own.
  private static final FeatureRows NOTHING_READ =
      new EmbeddedFeatures(new FeatureTable(List.of(), List.of(), List.of()))
          .rows(List.of(), Duration.ZERO);

  private final List<Voice> voices;

  FusionRanker(List<Voice> voices) {
    this.voices = List.copyOf(voices);
  }

  /** One of those who are fused. */
  sealed interface Voice {
    BundleId id();

    double weight();

    double floor();
  }

  /** A model that scores every candidate. */
  record ModelVoice(InnerProductScorer scorer, double weight, double temperature, double floor)
      implements Voice {
    @Override
    public BundleId id() {
      return scorer.id();
    }
  }

  /** A source that scored, before ranking, the candidates that it returned. */
  record SourceVoice(BundleId id, Scale scale, double weight, double floor) implements Voice {}

  /** What a source's score is. */
  enum Scale {
    /** A natural logarithm of a probability. */
    LOG_PROBABILITY,
    /** A share, of which the logarithm counts. */
    SHARE
  }

  @Override
  public Ranking rank(RankingQuery query, ModelCalls calls) {
    // All look-ups are on their way before the first is waited for.
    List<FeatureRows> rows = new ArrayList<>(voices.size());
    for (Voice voice : voices) {
      rows.add(
          switch (voice) {
            case ModelVoice model -> model.scorer().rows(query, calls);
            case SourceVoice source -> NOTHING_READ;
          });
    }
    List<Optional<Pending>> pending = new ArrayList<>(voices.size());
    for (int v = 0; v < voices.size(); v++) {
      pending.add(
          switch (voices.get(v)) {
            case ModelVoice model -> model.scorer().start(query.history(), rows.get(v), calls);
            case SourceVoice source -> Optional.empty();
          });
    }
    int n = query.candidates().size();
    double[] totals = new double[n];
    List<List<Part>> parts = new ArrayList<>(n);
    for (int i = 0; i < n; i++) {
      parts.add(new ArrayList<>(voices.size()));
    }
    for (int v = 0; v < voices.size(); v++) {
      Voice voice = voices.get(v);
      List<Logit> said =
          switch (voice) {
            case ModelVoice model -> said(model, pending.get(v), rows.get(v), query.candidates());
            case SourceVoice source -> said(source, query.candidates());
          };
      for (int i = 0; i < n; i++) {
        double value = said.get(i).value();
        boolean silent = Double.isNaN(value);
        value = silent ? voice.floor() : Math.max(value, voice.floor());
        totals[i] += voice.weight() * value;
        boolean isDefault = silent || !said.get(i).known();
        parts.get(i).add(new Part(voice.id().name(), value, isDefault));
      }
    }
    List<RankedItem> ranked = new ArrayList<>(n);
    for (int i = 0; i < n; i++) {
      ranked.add(new RankedItem(query.candidates().get(i).itemId(), totals[i], parts.get(i)));
    }
    return new Ranking(
        Kind.FUSED_LOG_PROBABILITY,
        ranked,
        voices.stream().map(Voice::id).toList(),
        rows.stream().anyMatch(FeatureRows::isLate));
  }

  /** Log-probabilities of the candidates; NaN where nothing is said. */
  private static List<Logit> said(
      ModelVoice model, Optional<Pending> pending, FeatureRows rows, List<Candidate> candidates) {
    if (pending.isEmpty()) {
      return Collections.nCopies(candidates.size(), NOTHING);
    }
    float[] users = pending.get().floats();
    double temperature = model.temperature();
    double normaliser = LogSumExp.of(model.scorer().logits(users), temperature);
    List<Logit> said = new ArrayList<>(candidates.size());
    for (Candidate candidate : candidates) {
      Logit logit = model.scorer().logit(users, rows, candidate.itemId());
      said.add(new Logit(logit.value() / temperature - normaliser, logit.known()));
    }
    return said;
  }

  private static List<Logit> said(SourceVoice source, List<Candidate> candidates) {
    List<Logit> said = new ArrayList<>(candidates.size());
    for (Candidate candidate : candidates) {
      Logit best = NOTHING;
      for (SourceScore score : candidate.sources()) {
        if (score.source().equals(source.id().name())) {
          double value =
              switch (source.scale()) {
                case LOG_PROBABILITY -> score.score();
                case SHARE -> Math.log(Math.max(0, score.score()));
              };
          best = new Logit(best.known() ? Math.max(best.value(), value) : value, true);
        }
      }
      said.add(best);
    }
    return said;
  }

  private List<InnerProductScorer> scorers() {
    List<InnerProductScorer> scorers = new ArrayList<>();
    for (Voice voice : voices) {
      if (voice instanceof ModelVoice model) {
        scorers.add(model.scorer());
      }
    }
    return scorers;
  }

  @Override
  public RankingQuery example() {
    List<String> items = scorers().stream().map(scorer -> scorer.items().id(0)).distinct().toList();
    List<String> candidates = items.isEmpty() ? List.of("none") : items;
    return new RankingQuery(
        items,
        "",
        List.of(),
        candidates.stream().map(item -> new Candidate(item, List.of())).toList());
  }

  @Override
  public List<String> models() {
    return scorers().stream().map(InnerProductScorer::model).toList();
  }

  @Override
  public void close() {
    scorers().forEach(InnerProductScorer::close);
  }
}

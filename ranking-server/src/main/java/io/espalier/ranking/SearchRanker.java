package io.espalier.ranking;

import io.espalier.bundles.BundleId;
import io.espalier.index.text.TermAnalyzer;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.ranking.ModelCalls.Pending;
import io.espalier.ranking.Ranking.Kind;
import io.espalier.ranking.Ranking.Part;
import io.espalier.ranking.Ranking.RankedItem;
import io.espalier.ranking.RankingQuery.Candidate;
import io.espalier.ranking.RankingQuery.SourceScore;
import io.espalier.server.RequestException;
import io.espalier.stores.features.FeatureRows;
import io.espalier.stores.features.FeatureStore;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Ranks the candidates of a query by a weighted sum of seven features, defined in
 * docs/decisions/0005: it knows a product from its accessory by what the query's words ask for.
 */
final class SearchRanker implements Ranker {
  private final Parts parts;

  /**
   * What it is made of.
   *
   * @param weights of the features; a missing one is 0
   * @param textSource name of the bundle whose scores are {@code bm25}
   * @param query model from a query to its types' log-probabilities
   * @param encoder model from a query to its vector
   * @param features of the items, the vectors for {@code dense}
   * @param width of a vector
   * @param types of the items
   * @param typeFloor the lowest log-probability behind the best that still tells types apart
   * @param terms of the items, in the order of {@code types}
   * @param titles terms of the items' titles; none: that feature is 0
   * @param analyzer of queries
   * @param bundles that it reads beside its own
   * @param metrics of its features
   */
  record Parts(
      Map<SearchFeature, Double> weights,
      String textSource,
      TokenModel query,
      TokenModel encoder,
      FeatureStore features,
      int width,
      ItemTypes types,
      double typeFloor,
      ItemTerms terms,
      Optional<ItemTerms> titles,
      TermAnalyzer analyzer,
      List<BundleId> bundles,
      FeatureMetrics metrics) {}

  SearchRanker(Parts parts) {
    this.parts = parts;
  }

  /** What the models say of a query. */
  private static final class Asked {
    private final float[] vector;
    private final float[] typeLogProbs;
    private final double best;
    private final double accessory;
    private final int[] terms;
    private final List<int[]> rewrites;

    Asked(
        float[] vector, float[] typeLogProbs, double accessory, int[] terms, List<int[]> rewrites) {
      this.vector = vector;
      this.typeLogProbs = typeLogProbs;
      double highest = Double.NEGATIVE_INFINITY;
      for (float logProb : typeLogProbs) {
        highest = Math.max(highest, logProb);
      }
      this.best = highest;
      this.accessory = accessory;
      this.terms = terms;
      this.rewrites = rewrites;
    }
  }

  @Override
  public Ranking rank(RankingQuery query, ModelCalls calls) {
    if (query.text().isBlank()) {
      throw RequestException.invalidArgument("query: empty (expected: words)");
    }
    FeatureRows rows =
        parts
            .features()
            .rows(query.candidates().stream().map(Candidate::itemId).toList(), calls.remaining());
    Pending vector = parts.encoder().start(query.text(), calls);
    Pending types = parts.query().start(query.text(), calls);
    float[] logProbs = sized(types.floats(), parts.types().count(), "type_log_probs");
    Asked asked =
        new Asked(
            sized(vector.floats(), parts.width(), "vector"),
            logProbs,
            parts.types().accessoryProbability(logProbs),
            terms(query.text()),
            query.rewrites().stream().map(this::terms).toList());
    List<RankedItem> ranked = new ArrayList<>(query.candidates().size());
    for (Candidate candidate : query.candidates()) {
      ranked.add(score(candidate, asked, rows));
    }
    return new Ranking(Kind.RELEVANCE, ranked, parts.bundles(), rows.isLate());
  }

  private static float[] sized(float[] values, int expected, String name) {
    if (values.length != expected) {
      throw new ModelException(
          Reason.FAILED, name + ": " + values.length + " values (expected: " + expected + ")");
    }
    return values;
  }

  private int[] terms(String text) {
    return ItemTerms.hashes(parts.analyzer().terms(text));
  }

  private RankedItem score(Candidate candidate, Asked asked, FeatureRows rows) {
    Map<SearchFeature, Part> features = new EnumMap<>(SearchFeature.class);
    int item = parts.types().items().index(candidate.itemId()).orElse(-1);
    double covered = item < 0 ? 0 : parts.terms().share(item, asked.terms);
    double open = 1 - covered;
    put(features, SearchFeature.BM25, bm25(candidate));
    put(features, SearchFeature.DENSE, open * cosine(candidate.itemId(), asked.vector, rows));
    if (item < 0) {
      put(features, SearchFeature.TYPE, Double.NaN);
      put(features, SearchFeature.ATTRIBUTE, Double.NaN);
      put(features, SearchFeature.TITLE, Double.NaN);
      put(features, SearchFeature.ACCESSORY, Double.NaN);
      put(features, SearchFeature.REWRITE, Double.NaN);
    } else {
      double floor = parts.typeFloor();
      double behind = asked.typeLogProbs[parts.types().type(item)] - asked.best;
      put(features, SearchFeature.TYPE, open * (1 + Math.max(behind, -floor) / floor));
      put(features, SearchFeature.ATTRIBUTE, covered);
      put(
          features,
          SearchFeature.TITLE,
          parts.titles().map(titles -> titles.share(item, asked.terms)).orElse(0.0));
      put(
          features,
          SearchFeature.ACCESSORY,
          parts.types().isAccessory(item) ? asked.accessory - 1 : 0);
      put(features, SearchFeature.REWRITE, answersRewrite(item, asked) ? open : 0);
    }
    double score = 0;
    for (Map.Entry<SearchFeature, Part> feature : features.entrySet()) {
      score += parts.weights().getOrDefault(feature.getKey(), 0.0) * feature.getValue().value();
    }
    return new RankedItem(candidate.itemId(), score, List.copyOf(features.values()));
  }

  /** NaN where the feature's source does not know the item; its default is 0. */
  private static void put(Map<SearchFeature, Part> features, SearchFeature feature, double value) {
    boolean unknown = Double.isNaN(value);
    features.put(feature, new Part(feature.label(), unknown ? 0 : value, unknown));
  }

  private double bm25(Candidate candidate) {
    double best = Double.NaN;
    for (SourceScore score : candidate.sources()) {
      if (!score.byRewrite() && score.source().equals(parts.textSource())) {
        best = Double.isNaN(best) ? score.share() : Math.max(best, score.share());
      }
    }
    return best;
  }

  /** Whether the item has every term of some rewrite. */
  private boolean answersRewrite(int item, Asked asked) {
    return asked.rewrites.stream().anyMatch(terms -> parts.terms().share(item, terms) == 1);
  }

  private static double cosine(String itemId, float[] query, FeatureRows rows) {
    float[] vector = new float[query.length];
    if (!rows.vector(SearchRankerLoader.DENSE, itemId, vector, 0)) {
      return Double.NaN;
    }
    float sum = 0;
    for (int d = 0; d < vector.length; d++) {
      sum += query[d] * vector[d];
    }
    return Math.max(0, sum);
  }

  @Override
  public RankingQuery example() {
    String item = parts.types().items().id(0);
    return new RankingQuery(
        List.of(), "warm up", List.of(), List.of(new Candidate(item, List.of())));
  }

  @Override
  public List<String> models() {
    return List.of(parts.query().model(), parts.encoder().model());
  }

  @Override
  public void close() {
    parts.metrics().close();
    parts.features().close();
    parts.query().close();
    parts.encoder().close();
    parts.analyzer().close();
  }
}

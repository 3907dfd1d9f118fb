package io.espalier.router;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import io.espalier.bundles.BundleId;
import io.espalier.catalog.v1.Filter;
import io.espalier.router.v1.ExplanationLevel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How one kind of request is answered: a route file, or one A/B arm of it, checked and with every
 * default filled in. {@code docs/routes.md} defines each key.
 */
record Route(
    String name,
    Kind kind,
    @JsonProperty("default") boolean isDefault,
    Duration deadline,
    Duration slo,
    Duration reserve,
    int pageSize,
    int listSize,
    Duration pageTokenTtl,
    boolean maskSeen,
    Explanation explanation,
    int history,
    UserState userState,
    List<Rewriter> rewriters,
    int maxRewrites,
    List<Source> sources,
    Merge merge,
    @Nullable Ranking ranking,
    Retry retry,
    @Nullable Hedge hedge,
    List<LadderStep> ladder,
    List<Rule> rules) {
  private static final Pattern NAME = Pattern.compile("[a-z0-9-]{1,128}");

  Route {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "name: %s (expected: 1 to 128 lower-case letters, digits and hyphens)".formatted(name));
    }
    positive("deadline", deadline);
    positive("slo", slo);
    positive("page_token_ttl", pageTokenTtl);
    if (reserve.isNegative() || reserve.compareTo(deadline) >= 0) {
      throw new IllegalArgumentException(
          "reserve: %s (expected: 0 <= reserve < deadline)".formatted(reserve));
    }
    inRange("page_size", pageSize, 1, 500);
    inRange("list_size", listSize, 1, 1000);
    inRange("history", history, 1, 1000);
    inRange("max_rewrites", maxRewrites, 0, 64);
    rewriters = List.copyOf(rewriters);
    sources = List.copyOf(sources);
    ladder = List.copyOf(ladder);
    rules = List.copyOf(rules);
    checkStages(kind, rewriters, sources, merge, ranking);
    checkLadder(kind, ladder, sources);
  }

  private static void checkStages(
      Kind kind,
      List<Rewriter> rewriters,
      List<Source> sources,
      Merge merge,
      @Nullable Ranking ranking) {
    inRange("sources", sources.size(), 1, 16);
    Set<String> names = new HashSet<>();
    for (Source source : sources) {
      if (!names.add(source.bundle().name())) {
        throw new IllegalArgumentException(
            "sources: %s twice (expected: each bundle once)".formatted(source.bundle().name()));
      }
    }
    if (kind == Kind.FEED) {
      if (!rewriters.isEmpty()) {
        throw new IllegalArgumentException("rewriters: given (expected: none on a feed route)");
      }
      for (Source source : sources) {
        if (source.when() == When.QUERY || source.useRewrites()) {
          throw new IllegalArgumentException(
              "sources: %s needs a query (expected: none that does on a feed route)"
                  .formatted(source.bundle()));
        }
      }
    }
    if (ranking != null) {
      names.add(ranking.bundle().name());
    }
    for (String weighted : merge.weights().keySet()) {
      known("merge.weights", weighted, names);
    }
    for (String calibrated : merge.calibration().keySet()) {
      known("merge.calibration", calibrated, names);
    }
    if (merge.method() == Merge.Method.CALIBRATED) {
      for (String name : names) {
        if (!merge.calibration().containsKey(name)) {
          throw new IllegalArgumentException(
              "merge.calibration: no entry for %s (expected: one for each source and the ranker)"
                  .formatted(name));
        }
      }
    }
    if (merge.method() == Merge.Method.RANKER && ranking == null) {
      throw new IllegalArgumentException(
          "merge.method: ranker (expected: rrf or calibrated on a route without ranking)");
    }
  }

  private static void checkLadder(Kind kind, List<LadderStep> ladder, List<Source> sources) {
    Duration below = Duration.ofDays(36_500);
    double load = 0;
    for (int i = 0; i < ladder.size(); i++) {
      LadderStep step = ladder.get(i);
      if (step.below().isPositive()) {
        if (step.below().compareTo(below) >= 0) {
          throw new IllegalArgumentException(
              "ladder[%d].below: %s (expected: less than the step before)"
                  .formatted(i, step.below()));
        }
        below = step.below();
      }
      if (step.load() > 0) {
        if (step.load() <= load) {
          throw new IllegalArgumentException(
              "ladder[%d].load: %s (expected: more than the step before)"
                  .formatted(i, step.load()));
        }
        load = step.load();
      }
    }
    boolean popular = ladder.stream().anyMatch(step -> step.answer() == Answer.POPULAR);
    if (popular
        && (kind == Kind.SEARCH
            || sources.stream().noneMatch(source -> source.when() == When.NO_HISTORY))) {
      throw new IllegalArgumentException(
          "ladder: answer popular (expected: a feed route with a no-history source)");
    }
  }

  private static void known(String key, String name, Set<String> names) {
    if (!names.contains(name)) {
      throw new IllegalArgumentException(
          "%s: %s (expected: one of %s)".formatted(key, name, new java.util.TreeSet<>(names)));
    }
  }

  /** Every bundle that this route can ask. */
  Set<BundleId> bundles() {
    Set<BundleId> bundles = new LinkedHashSet<>();
    rewriters.forEach(rewriter -> bundles.add(rewriter.bundle()));
    sources.forEach(source -> bundles.add(source.bundle()));
    if (ranking != null) {
      bundles.add(ranking.bundle());
    }
    return bundles;
  }

  /** The ladder's step for a stage that starts with this much time left, at a load. */
  LadderStep step(long remainingNanos, double load) {
    LadderStep holds = LadderStep.NONE;
    for (LadderStep step : ladder) {
      if (step.holdsBy(remainingNanos) || (step.load() > 0 && load >= step.load())) {
        holds = step;
      }
    }
    return holds;
  }

  /** Whether a rule reads the catalogue, or kept lists are held against it. */
  boolean needsCatalogue() {
    return servesCached() || rules.stream().anyMatch(Rule::needsCatalogue);
  }

  /** Whether the ladder answers with kept lists. */
  boolean servesCached() {
    return ladder.stream().anyMatch(step -> step.answer() == Answer.CACHED);
  }

  static void inRange(String key, int value, int min, int max) {
    if (value < min || value > max) {
      throw new IllegalArgumentException(
          "%s: %d (expected: %d..%d)".formatted(key, value, min, max));
    }
  }

  static void positive(String key, Duration value) {
    if (!value.isPositive()) {
      throw new IllegalArgumentException("%s: %s (expected: > 0)".formatted(key, value));
    }
  }

  /** Which call a route answers. */
  enum Kind {
    @JsonProperty("feed")
    FEED,
    @JsonProperty("search")
    SEARCH
  }

  /** When a source is asked. */
  enum When {
    @JsonProperty("always")
    ALWAYS,
    @JsonProperty("has-history")
    HAS_HISTORY,
    @JsonProperty("no-history")
    NO_HISTORY,
    @JsonProperty("query")
    QUERY
  }

  /** How much a route explains unasked. */
  enum Explanation {
    @JsonProperty("none")
    NONE(ExplanationLevel.EXPLANATION_LEVEL_NONE),
    @JsonProperty("summary")
    SUMMARY(ExplanationLevel.EXPLANATION_LEVEL_SUMMARY),
    @JsonProperty("full")
    FULL(ExplanationLevel.EXPLANATION_LEVEL_FULL);

    private final ExplanationLevel level;

    Explanation(ExplanationLevel level) {
      this.level = level;
    }

    ExplanationLevel level() {
      return level;
    }
  }

  /** The user-state look-up. */
  record UserState(Budget budget) {}

  /** A rewriter and how many of its rewrites are searched. */
  record Rewriter(
      @JsonDeserialize(using = BundleIdReader.class) BundleId bundle,
      int max,
      Budget budget,
      double weight) {
    Rewriter {
      inRange("max", max, 1, 16);
      finitePositive("weight", weight);
    }
  }

  /** A retrieval source. {@code beam} 0: the bundle's own; {@code rewriteK} 0: {@code k}. */
  record Source(
      @JsonDeserialize(using = BundleIdReader.class) BundleId bundle,
      int k,
      int beam,
      int rewriteK,
      Budget budget,
      When when,
      boolean useRewrites,
      boolean optional,
      @Nullable SourceDecoding decoding) {
    Source {
      inRange("k", k, 1, 1000);
      inRange("beam", beam, 0, 512);
      inRange("rewrite_k", rewriteK, 0, 1000);
    }
  }

  /** How lists become one. */
  record Merge(
      Method method, int k, Map<String, Double> weights, Map<String, Calibration> calibration) {
    Merge {
      inRange("k", k, 1, 10_000);
      weights = Map.copyOf(weights);
      calibration = Map.copyOf(calibration);
      weights.values().forEach(weight -> finitePositive("weights", weight));
    }

    double weight(String bundle) {
      return weights.getOrDefault(bundle, 1.0);
    }

    enum Method {
      @JsonProperty("rrf")
      RRF,
      @JsonProperty("calibrated")
      CALIBRATED,
      @JsonProperty("ranker")
      RANKER
    }
  }

  /** From a source's score to a log-probability that is comparable between sources. */
  record Calibration(double scale, double offset, double floor, double weight) {
    Calibration {
      finite("scale", scale);
      finite("offset", offset);
      finite("floor", floor);
      finite("weight", weight);
    }

    double apply(double score) {
      double calibrated = scale * score + offset;
      return weight * (Double.isNaN(calibrated) ? floor : Math.max(floor, calibrated));
    }

    double missing() {
      return weight * floor;
    }
  }

  /** The stage that orders the best candidates. */
  record Ranking(
      @JsonDeserialize(using = BundleIdReader.class) BundleId bundle,
      int candidates,
      Budget budget,
      boolean optional) {
    Ranking {
      inRange("candidates", candidates, 1, 500);
    }
  }

  /** A stage that the ladder can skip. */
  enum Skip {
    @JsonProperty("rewrite")
    REWRITE,
    @JsonProperty("ranking")
    RANKING
  }

  /** What the ladder answers with instead of an answer of its own. */
  enum Answer {
    @JsonProperty("cached")
    CACHED,
    @JsonProperty("popular")
    POPULAR
  }

  /**
   * A step of the degradation ladder. Bounds of 0 bound nothing; it holds by {@code below}, by
   * {@code load}, or by either.
   */
  record LadderStep(
      Duration below,
      double load,
      int beam,
      int k,
      int candidates,
      List<Skip> skip,
      @Nullable Answer answer) {
    static final LadderStep NONE = new LadderStep(Duration.ofNanos(1), 0, 0, 0, 0, List.of(), null);

    LadderStep {
      if (below.isNegative() || !(load >= 0 && load <= 1)) {
        throw new IllegalArgumentException(
            "below and load: %s and %s (expected: >= 0, and 0 <= load <= 1)"
                .formatted(below, load));
      }
      if (below.isZero() && load == 0) {
        throw new IllegalArgumentException("below and load: neither (expected: one of them)");
      }
      inRange("beam", beam, 0, 512);
      inRange("k", k, 0, 1000);
      inRange("candidates", candidates, 0, 500);
      skip = List.copyOf(skip);
    }

    boolean skips(Skip stage) {
      return skip.contains(stage);
    }

    boolean holdsBy(long remainingNanos) {
      return remainingNanos < below.toNanos();
    }
  }

  /**
   * Second tries of calls that were lost.
   *
   * @param share of the calls that may be tried again; 0: none
   * @param burst how many may be beyond that share at once
   */
  record Retry(double share, int burst) {
    Retry {
      if (!(share >= 0 && share <= 1)) {
        throw new IllegalArgumentException("share: %s (expected: 0..1)".formatted(share));
      }
      inRange("burst", burst, 0, 100_000);
    }
  }

  /**
   * Second calls beside those that are slow.
   *
   * @param after how long a call has had then
   * @param load at which there are none
   */
  record Hedge(Duration after, double load) {
    Hedge {
      positive("after", after);
      if (!(load > 0 && load <= 1)) {
        throw new IllegalArgumentException("load: %s (expected: 0 < load <= 1)".formatted(load));
      }
    }
  }

  /** One of the caller's rules: exactly one of its parts is there. */
  record Rule(
      @Nullable Weighting boost,
      @Nullable Weighting bury,
      @Nullable Group group,
      @Nullable Pin pin) {
    Rule {
      int parts =
          (boost == null ? 0 : 1)
              + (bury == null ? 0 : 1)
              + (group == null ? 0 : 1)
              + (pin == null ? 0 : 1);
      if (parts != 1) {
        throw new IllegalArgumentException(
            "%d rules in one entry (expected: one of boost, bury, group, pin)".formatted(parts));
      }
      if (boost != null && boost.factor() <= 1) {
        throw new IllegalArgumentException("factor: %s (expected: > 1)".formatted(boost.factor()));
      }
      if (bury != null && bury.factor() >= 1) {
        throw new IllegalArgumentException(
            "factor: %s (expected: 0 < factor < 1)".formatted(bury.factor()));
      }
    }

    boolean needsCatalogue() {
      return pin != null
          || group != null
          || (boost != null && boost.filter() != null)
          || (bury != null && bury.filter() != null);
    }
  }

  /** Items, by id or by filter, whose score is multiplied. */
  record Weighting(
      List<String> ids,
      @JsonDeserialize(using = FilterReader.class) @Nullable Filter filter,
      double factor) {
    Weighting {
      ids = List.copyOf(ids);
      if (ids.isEmpty() == (filter == null)) {
        throw new IllegalArgumentException(
            "ids and filter: %s (expected: one of them)"
                .formatted(filter == null ? "neither" : "both"));
      }
      finitePositive("factor", factor);
    }
  }

  /** At most {@code max} items with one value of an attribute. */
  record Group(String attribute, int max) {
    Group {
      inRange("max", max, 1, 1000);
      if (attribute.isEmpty()) {
        throw new IllegalArgumentException("attribute: empty (expected: an attribute's name)");
      }
    }
  }

  /** Items that stand at a position and after. */
  record Pin(List<String> ids, int position) {
    Pin {
      ids = List.copyOf(new ArrayList<>(new LinkedHashSet<>(ids)));
      inRange("ids", ids.size(), 1, 100);
      inRange("position", position, 0, 999);
    }
  }

  private static void finite(String key, double value) {
    if (!Double.isFinite(value)) {
      throw new IllegalArgumentException(
          "%s: %s (expected: a finite number)".formatted(key, value));
    }
  }

  private static void finitePositive(String key, double value) {
    if (!(value > 0) || !Double.isFinite(value)) {
      throw new IllegalArgumentException("%s: %s (expected: > 0)".formatted(key, value));
    }
  }
}

package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleId;
import io.espalier.server.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class RouteFileTest {
  private static final String FEED =
      """
      name: feed
      kind: feed
      sources:
        - {bundle: a@1}
        - {bundle: p@1, when: no-history}
      """;

  @Test
  void parse_examplesOfTheDocument_areRoutes() throws IOException {
    Path document =
        Path.of(Objects.requireNonNull(System.getProperty("espalier.root")), "docs", "routes.md");
    Matcher blocks =
        Pattern.compile("```yaml\n(# model-repo.*?)```", Pattern.DOTALL)
            .matcher(Files.readString(document));
    List<RoutePlan> plans = new ArrayList<>();
    while (blocks.find()) {
      plans.add(RouteFile.parse(blocks.group(1), "routes.md"));
    }
    assertThat(plans).extracting(RoutePlan::name).containsExactly("beauty-feed", "chorus-search");
    assertThat(new RouteTable(plans).bundles())
        .contains(BundleId.parse("beauty-tiger@1"), BundleId.parse("chorus-personas@1"));
  }

  @Test
  void parse_leastRoute_hasTheDocumentedDefaults() {
    Route route = RouteFile.parse(FEED, "x").base();
    assertThat(route.isDefault()).isFalse();
    assertThat(route.deadline()).isEqualTo(Duration.ofMillis(500));
    assertThat(route.reserve()).isEqualTo(Duration.ofMillis(2));
    assertThat(route.pageSize()).isEqualTo(20);
    assertThat(route.listSize()).isEqualTo(500);
    assertThat(route.pageTokenTtl()).isEqualTo(Duration.ofMinutes(10));
    assertThat(route.maskSeen()).isTrue();
    assertThat(route.explanation()).isEqualTo(Route.Explanation.SUMMARY);
    assertThat(route.history()).isEqualTo(50);
    assertThat(route.userState().budget().share()).isEqualTo(0.2);
    assertThat(route.merge().method()).isEqualTo(Route.Merge.Method.RRF);
    assertThat(route.merge().k()).isEqualTo(60);
    assertThat(route.ranking()).isNull();
    Route.Source source = route.sources().getFirst();
    assertThat(source.k()).isEqualTo(100);
    assertThat(source.beam()).isZero();
    assertThat(source.budget().share()).isEqualTo(0.7);
    assertThat(source.when()).isEqualTo(Route.When.ALWAYS);
    assertThat(source.useRewrites()).isFalse();
    assertThat(source.optional()).isTrue();
    Route search =
        RouteFile.parse(
                """
                {name: s, kind: search, sources: [{bundle: t@1}],
                 rewriters: [{bundle: r@1}], ranking: {bundle: k@1}}
                """,
                "x")
            .base();
    assertThat(search.maskSeen()).isFalse();
    assertThat(search.maxRewrites()).isEqualTo(4);
    assertThat(search.rewriters().getFirst().max()).isEqualTo(3);
    assertThat(search.rewriters().getFirst().weight()).isEqualTo(0.5);
    assertThat(search.rewriters().getFirst().budget().share()).isEqualTo(0.25);
    Route.Ranking ranking = Objects.requireNonNull(search.ranking());
    assertThat(ranking.candidates()).isEqualTo(500);
    assertThat(ranking.optional()).isTrue();
    assertThat(ranking.budget().share()).isEqualTo(0.9);
  }

  @Test
  void parse_brokenRoute_saysWhereAndWhatIsExpected() {
    Map<String, String> broken = new HashMap<>();
    broken.put(FEED + "page_sise: 3", "page_sise: unknown key (nearest known key: page_size)");
    broken.put(FEED + "page_size: 0", "page_size: 0 (expected: 1..500)");
    broken.put(FEED + "deadline: soon", "deadline: soon (expected: a duration");
    broken.put("kind: feed\nsources: []", "name: missing");
    broken.put("{name: X, kind: feed, sources: [{bundle: a@1}]}", "name: X (expected:");
    broken.put("{name: x, kind: food, sources: [{bundle: a@1}]}", "kind");
    broken.put("{name: x, kind: feed, sources: []}", "sources: 0 (expected: 1..16)");
    broken.put("{name: x, kind: feed, sources: [{bundle: a}]}", "sources[0].bundle: bundle: a");
    broken.put(
        "{name: x, kind: feed, sources: [{bundle: a@1, k: 2000}]}",
        "sources[0]: k: 2000 (expected: 1..1000)");
    broken.put(
        "{name: x, kind: feed, sources: [{bundle: a@1}, {bundle: a@2}]}", "sources: a twice");
    broken.put("{name: x, kind: feed, sources: [{bundle: a@1, when: query}]}", "needs a query");
    broken.put(FEED + "rewriters: [{bundle: r@1}]", "none on a feed route");
    broken.put(FEED + "merge: {method: ranker}", "without ranking");
    broken.put(
        FEED + "merge: {method: calibrated, calibration: {a: {scale: 1}}}", "no entry for p");
    String decoding = "{name: x, kind: feed, sources: [{bundle: a@1, decoding: {%s}}]}";
    broken.put(
        decoding.formatted("sampling: {temperature: 0}"),
        "sources[0].decoding.sampling: temperature: 0.0 (expected: 0.001..100.0)");
    broken.put(decoding.formatted("quotas: [{length: 1, most: 0}]"), "most: 0 (expected: 1..1000)");
    broken.put(
        decoding.formatted("quotas: [{length: 1, most: 2}, {length: 1, most: 3}]"),
        "quotas: length 1 twice");
    broken.put(decoding.formatted("unseen_share: 1.5"), "unseen_share: 1.5 (expected: 0.0..1.0)");
    broken.put(decoding.formatted("load_width: {least: 0}"), "least: 0 (expected: 1..512)");
    broken.put(
        decoding.formatted("unseen: 0.1"), "unseen: unknown key (nearest known key: quotas)");
    broken.put(FEED + "merge: {weights: {z: 1}}", "merge.weights: z (expected: one of [a, p])");
    broken.put(FEED + "ladder: [{below: 10ms}, {below: 20ms}]", "ladder[1].below");
    broken.put(
        "{name: x, kind: feed, sources: [{bundle: a@1}], ladder: [{below: 1ms, answer: popular}]}",
        "answer popular");
    broken.put(FEED + "rules: [{pin: {ids: [a], position: 0}, group: {attribute: b}}]", "2 rules");
    broken.put(FEED + "rules: [{boost: {ids: [a], factor: 0.5}}]", "factor: 0.5 (expected: > 1)");
    broken.put(FEED + "rules: [{bury: {ids: [a], factor: 2}}]", "factor: 2.0");
    broken.put(FEED + "rules: [{boost: {factor: 2}}]", "neither");
    broken.put(
        FEED + "rules: [{boost: {factor: 2, filter: {equal: {attribute: a}}}}]",
        "expected: a filter");
    broken.put(FEED + "arms: {list: [{name: a, weight: 0}]}", "weight: 0.0 (expected: > 0)");
    broken.put(
        FEED + "arms: {list: [{name: a, weight: 1, override: {name: z}}]}", "overrides name");
    broken.put(
        FEED + "arms: {list: [{name: a, weight: 1, override: {page_size: 0}}]}",
        "arm a: page_size: 0");
    broken.forEach(
        (yaml, message) ->
            assertThatThrownBy(() -> RouteFile.parse(yaml, "x.yaml"))
                .as(yaml)
                .isInstanceOf(ConfigException.class)
                .hasMessageStartingWith("x.yaml")
                .hasMessageContaining(message));
  }

  @Test
  void parse_arms_overrideMapsByKeyAndListsWhole() {
    RoutePlan plan =
        RouteFile.parse(
            """
            name: feed
            kind: feed
            sources: [{bundle: a@1}, {bundle: b@1}]
            ranking: {bundle: k@1, candidates: 300}
            arms:
              list:
                - {name: control, weight: 3}
                - name: narrow
                  weight: 1
                  override: {ranking: {candidates: 50}, sources: [{bundle: a@2}]}
            """,
            "x");
    assertThat(plan.salt()).isEqualTo("feed");
    assertThat(plan.arms()).extracting(RoutePlan.Arm::name).containsExactly("control", "narrow");
    Route narrow = plan.arms().getLast().route();
    assertThat(narrow.bundles()).containsExactly(BundleId.parse("a@2"), BundleId.parse("k@1"));
    assertThat(Objects.requireNonNull(narrow.ranking()).candidates()).isEqualTo(50);
    assertThat(plan.arms().getFirst().route()).isEqualTo(plan.base());
  }

  @Test
  void arm_sameUser_isStickyAndSharesFollowTheWeights() {
    RoutePlan plan =
        RouteFile.parse(
            FEED
                + """
                arms:
                  salt: one
                  list: [{name: a, weight: 70}, {name: b, weight: 20}, {name: c, weight: 10}]
                """,
            "x");
    RoutePlan salted =
        RouteFile.parse(
            FEED + "arms: {salt: two, list: [{name: a, weight: 1}, {name: b, weight: 1}]}", "x");
    Map<String, Integer> counts = new HashMap<>();
    int bothFirst = 0;
    for (int user = 0; user < 20_000; user++) {
      String id = "user-" + user;
      String arm = plan.arm(id).name();
      assertThat(plan.arm(id).name()).isEqualTo(arm);
      counts.merge(arm, 1, Integer::sum);
      if (arm.equals("a") && salted.arm(id).name().equals("a")) {
        bothFirst++;
      }
    }
    // Fixed hashes, so these are facts; four standard deviations around what a fair hash gives.
    assertThat(counts.get("a")).isBetween(13_740, 14_260);
    assertThat(counts.get("b")).isBetween(3_774, 4_226);
    assertThat(counts.get("c")).isBetween(1_830, 2_170);
    assertThat(bothFirst).as("salts split independently").isBetween(6_730, 7_270);
    assertThat(plan.arm("").name()).isEqualTo("a");
  }

  @Test
  void table_conflictingRoutes_areRefused() {
    RoutePlan feed = RouteFile.parse(FEED, "x");
    assertThatThrownBy(() -> new RouteTable(List.of(feed, feed))).hasMessageContaining("twice");
    assertThatThrownBy(() -> new RouteTable(List.of())).hasMessageContaining("none");
    RoutePlan first = RouteFile.parse(FEED + "default: true", "x");
    RoutePlan second =
        RouteFile.parse(FEED.replace("name: feed", "name: other") + "default: true", "x");
    assertThatThrownBy(() -> new RouteTable(List.of(first, second)))
        .hasMessageContaining("second default");
  }

  @Test
  void nanos_shareMaxAndReserve_theLeastCounts() {
    Budget half = new Budget(0.5, Duration.ofNanos(400));
    assertThat(half.nanos(1_000, 0)).isEqualTo(400);
    assertThat(half.nanos(600, 0)).isEqualTo(300);
    assertThat(half.nanos(600, 500)).isEqualTo(100);
    assertThat(half.nanos(600, 700)).isZero();
    assertThat(half.nanos(-5, 0)).isZero();
  }

  @Test
  void step_remainingTime_theLastThatHoldsCounts() {
    Route route =
        RouteFile.parse(FEED + "ladder: [{below: 100ms, beam: 5}, {below: 10ms, beam: 1}]", "x")
            .base();
    assertThat(route.step(Duration.ofMillis(100).toNanos(), 0).beam()).isZero();
    assertThat(route.step(Duration.ofMillis(99).toNanos(), 0).beam()).isEqualTo(5);
    assertThat(route.step(Duration.ofMillis(9).toNanos(), 0).beam()).isEqualTo(1);
    assertThat(route.step(-1, 0).beam()).isEqualTo(1);
  }

  @Test
  void step_load_theLastThatHoldsCounts() {
    Route route =
        RouteFile.parse(
                FEED + "ladder: [{load: 0.5, below: 100ms, beam: 5}, {load: 0.9, beam: 1}]", "x")
            .base();
    long plenty = Duration.ofSeconds(1).toNanos();
    assertThat(route.step(plenty, .49).beam()).isZero();
    assertThat(route.step(plenty, .5).beam()).isEqualTo(5);
    assertThat(route.step(plenty, 1.2).beam()).isEqualTo(1);
    assertThat(route.step(0, .1).beam()).isEqualTo(5);
  }

  @Test
  void parse_overloadKeys_areCheckedAndHaveDefaults() {
    Route route = RouteFile.parse(FEED, "x").base();
    assertThat(route.slo()).isEqualTo(Duration.ofMillis(250));
    assertThat(route.retry()).isEqualTo(new Route.Retry(.1, 100));
    assertThat(route.hedge()).isNull();
    Route hedged = RouteFile.parse(FEED + "slo: 80ms\nhedge: {after: 20ms}", "x").base();
    assertThat(hedged.slo()).isEqualTo(Duration.ofMillis(80));
    assertThat(hedged.hedge()).isEqualTo(new Route.Hedge(Duration.ofMillis(20), .5));
    Map<String, String> wrong =
        Map.of(
            "slo: 0s", "slo: PT0S (expected: > 0)",
            "retry: {share: 1.5}", "share: 1.5 (expected: 0..1)",
            "hedge: {after: 0s}", "after: PT0S (expected: > 0)",
            "hedge: {after: 1ms, load: 2}", "load: 2.0 (expected: 0 < load <= 1)",
            "ladder: [{beam: 5}]", "below and load: neither (expected: one of them)",
            "ladder: [{load: 2}]", "0 <= load <= 1",
            "ladder: [{load: 0.5}, {load: 0.4}]", "ladder[1].load: 0.4 (expected: more than",
            "ladder: [{below: 1s}, {load: 0.4}, {below: 2s}]", "ladder[2].below: PT2S (expected:");
    wrong.forEach(
        (yaml, message) ->
            assertThatThrownBy(() -> RouteFile.parse(FEED + yaml, "x"))
                .as(yaml)
                .hasMessageContaining(message));
  }
}

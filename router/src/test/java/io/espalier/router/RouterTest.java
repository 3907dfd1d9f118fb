package io.espalier.router;

import static io.espalier.router.FakeStages.failing;
import static io.espalier.router.FakeStages.items;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.google.common.util.concurrent.ListenableFuture;
import com.google.protobuf.Timestamp;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ScoreKind;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.retrieval.v1.Decoding;
import io.espalier.retrieval.v1.Fate;
import io.espalier.retrieval.v1.LoadWidth;
import io.espalier.retrieval.v1.NarrowedBeams;
import io.espalier.retrieval.v1.PrefixQuota;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.retrieval.v1.Sampling;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.ExplanationLevel;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.RecordEventsResponse;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.espalier.router.v1.StageFact;
import io.espalier.router.v1.User;
import io.espalier.router.v1.WhyNotRequest;
import io.espalier.router.v1.WhyNotResponse;
import io.espalier.server.ConfigException;
import io.espalier.server.RequestException;
import io.espalier.server.Secret;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.users.Durability;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.UserEvent;
import io.espalier.stores.users.UserKeys;
import io.espalier.stores.users.UserStateException;
import io.espalier.stores.users.UserStateStore;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RouterTest {
  private static final String FEED =
      """
      name: feed
      kind: feed
      deadline: 60s
      sources:
        - {bundle: tiger@1, when: has-history, beam: 50}
        - {bundle: e4srec@1, when: has-history}
        - {bundle: popular@1, when: no-history}
      """;
  private static final String SEARCH =
      """
      name: search
      kind: search
      deadline: 60s
      rewriters: [{bundle: beque@1, max: 2}]
      sources:
        - {bundle: text@1, use_rewrites: true}
        - {bundle: dense@1}
      """;
  private static final Duration WITHIN = Duration.ofSeconds(60);
  private static final String RANKED = "ranking: {bundle: ranker@1, candidates: 4}\n";

  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private RunningRouter feed(String more) {
    RunningRouter router = started(new RunningRouter(FEED + more));
    router
        .stages
        .source("tiger@1", "a", "b", "c")
        .source("e4srec@1", "b", "d")
        .source("popular@1", "p", "q")
        .reversingRanker("ranker@1");
    return router;
  }

  private RunningRouter search(String more) {
    RunningRouter router = started(new RunningRouter(SEARCH + more));
    router
        .stages
        .source("text@1", "a", "b", "c")
        .source("dense@1", "c", "d")
        .rewriter("beque@1", "other words", "  OTHER   words ", "Shoes", "third", "fourth")
        .reversingRanker("ranker@1");
    return router;
  }

  private RunningRouter started(RunningRouter router) {
    open.add(router);
    return router;
  }

  private static Event event(String item) {
    return Event.newBuilder().setItemId(item).setKind(EventKind.EVENT_KIND_CLICK).build();
  }

  private static RecommendRequest withHistory(String... history) {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    for (String item : history) {
      request.getUserBuilder().addRecentEvents(event(item));
    }
    return request.build();
  }

  private static SearchRequest shoes() {
    return SearchRequest.newBuilder().setQuery("shoes").build();
  }

  private static ResultPage page(RunningRouter router, String... history) {
    return router.stub().recommend(withHistory(history)).getPage();
  }

  private static List<String> ids(ResultPage page) {
    return page.getItemsList().stream().map(ResultItem::getItemId).toList();
  }

  private static Status.Code code(Runnable call) {
    StatusRuntimeException failure = catchThrowableOfType(StatusRuntimeException.class, call::run);
    return failure == null ? Status.Code.OK : failure.getStatus().getCode();
  }

  private static String failure(Runnable call) {
    StatusRuntimeException failure = catchThrowableOfType(StatusRuntimeException.class, call::run);
    return failure == null
        ? "OK"
        : failure.getStatus().getCode() + " " + failure.getStatus().getDescription();
  }

  // Fan-out and merge.

  @Test
  void recommend_history_sourcesOfHistoryAreMergedWithProvenance() {
    RunningRouter router = feed("");
    ResultPage page = page(router, "x");
    assertThat(ids(page)).containsExactly("b", "a", "d", "c");
    ResultItem best = page.getItems(0);
    assertThat(best.getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_RECIPROCAL_RANK);
    assertThat(best.getProvenanceList())
        .extracting(p -> p.getSource() + " " + p.getRank())
        .containsExactly("tiger 1", "e4srec 0");
    assertThat(best.getProvenance(0).getBeam().getSemanticIdList()).containsExactly(7);
    assertThat(best.getProvenance(0).getBeam().getLogProbability()).isEqualTo(-2);
    assertThat(page.getBundlesList())
        .extracting(b -> b.getName() + "@" + b.getVersion())
        .containsExactly("tiger@1", "e4srec@1");
    assertThat(page.getStagesList())
        .extracting(StageFact::getStage)
        .containsExactly("retrieval/tiger", "retrieval/e4srec", "router");
    assertThat(page.getStagesList()).extracting(StageFact::getOutcome).containsOnly("OK");
    assertThat(page.getRoute()).isEqualTo("feed");
    assertThat(page.getRequestId()).isNotEmpty();
    assertThat(page.getDegradationsList()).isEmpty();
    assertThat(router.stages.retrievals)
        .extracting(RetrieveRequest::getBeamWidth)
        .containsExactlyInAnyOrder(50, 0);
  }

  @Test
  void recommend_noHistory_asksTheSourcesForThat() {
    RunningRouter router = feed("");
    ResultPage page = router.stub().recommend(RecommendRequest.getDefaultInstance()).getPage();
    assertThat(ids(page)).containsExactly("p", "q");
    assertThat(page.getDegradationsList()).isEmpty();
    RecommendRequest stranger =
        RecommendRequest.newBuilder().setUser(User.newBuilder().setId("nobody")).build();
    assertThat(ids(router.stub().recommend(stranger).getPage())).containsExactly("p", "q");
    Event seen = event("a").toBuilder().setKind(EventKind.EVENT_KIND_IMPRESSION).build();
    RecommendRequest onlyShown =
        RecommendRequest.newBuilder().setUser(User.newBuilder().addRecentEvents(seen)).build();
    assertThat(ids(router.stub().recommend(onlyShown).getPage())).containsExactly("p", "q");
  }

  @Test
  void recommend_historyThatNoSourceKnows_isAnsweredLikeNone() {
    RunningRouter router = feed("");
    for (String bundle : List.of("tiger@1", "e4srec@1")) {
      router.stages.sources.put(bundle, request -> RetrieveResponse.getDefaultInstance());
    }
    assertThat(ids(page(router, "unheard of"))).containsExactly("p", "q");
    assertThat(page(router, "unheard of").getDegradationsList()).isEmpty();
  }

  @Test
  void recommend_storedHistory_isUsedMaskedAndCut() {
    RunningRouter router = feed("history: 2\n");
    List<UserEvent> events = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      events.add(
          new UserEvent(
              "",
              List.of("c", "h1", "h2", "a").get(i),
              io.espalier.stores.users.EventKind.CLICK,
              Instant.ofEpochSecond(i)));
    }
    router.users.record("u", events, WITHIN);
    RecommendRequest request =
        RecommendRequest.newBuilder().setUser(User.newBuilder().setId("u")).build();
    ResultPage page = router.stub().recommend(request).getPage();
    assertThat(ids(page)).containsExactly("b", "d");
    assertThat(router.stages.retrievals)
        .allSatisfy(
            asked -> {
              assertThat(asked.getHistoryList()).containsExactly("h2", "a");
              assertThat(asked.getExcludeList()).containsExactlyInAnyOrder("c", "h1", "h2", "a");
            });
    RecommendRequest.Builder unmasked = request.toBuilder();
    unmasked.getOptionsBuilder().setIncludeSeen(true);
    assertThat(ids(router.stub().recommend(unmasked.build()).getPage()))
        .containsExactly("b", "a", "d", "c");
    RecommendRequest.Builder inline = request.toBuilder();
    inline.getUserBuilder().addRecentEvents(event("b"));
    assertThat(ids(router.stub().recommend(inline.build()).getPage()))
        .as("inline events replace the stored ones")
        .containsExactly("a", "d", "c");
  }

  @Test
  void search_rewrites_areSearchedOnceEachAndNamed() {
    RunningRouter router = search("");
    SearchResponse response = router.stub().search(shoes());
    assertThat(response.getRewritesList())
        .extracting(r -> r.getText() + " by " + r.getSource())
        .containsExactly("other words by beque", "third by beque");
    assertThat(router.stages.retrievals)
        .extracting(r -> r.getBundle() + " " + r.getQuery())
        .containsExactlyInAnyOrder("text shoes", "dense shoes", "text other words", "text third");
    assertThat(response.getPage().getItems(0).getProvenanceList())
        .extracting(p -> p.getSource() + "|" + p.getRewrite())
        .contains("text|", "text|other words", "text|third");
    assertThat(response.getPage().getDegradationsList()).isEmpty();
  }

  @Test
  void search_ranking_getsSourceScoresAndOrders() {
    RunningRouter router = search(RANKED + "merge: {method: ranker}\n");
    SearchRequest.Builder full = shoes().toBuilder();
    full.getOptionsBuilder().setExplanation(ExplanationLevel.EXPLANATION_LEVEL_FULL);
    ResultPage page = router.stub().search(full.build()).getPage();
    assertThat(ids(page)).containsExactly("d", "b", "a", "c");
    assertThat(page.getItems(0).getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_RELEVANCE);
    assertThat(page.getItems(0).getScoresList())
        .extracting(score -> score.getName())
        .containsExactly("ranker", "merge/rrf");
    RankCandidate a = router.stages.rankings.getFirst().getCandidates(1);
    assertThat(a.getItemId()).isEqualTo("a");
    assertThat(a.getSourceScoresList())
        .containsExactly(
            SourceScore.newBuilder().setSource("text").setScore(-1).setBestScore(-1).build(),
            SourceScore.newBuilder()
                .setSource("text")
                .setScore(-1)
                .setBestScore(-1)
                .setByRewrite(true)
                .build());
  }

  @Test
  void recommend_explanationLevels_carryWhatTheySay() {
    RunningRouter router = feed("explanation: none\n");
    ResultPage none = page(router, "x");
    assertThat(none.getStagesList()).isEmpty();
    assertThat(none.getItems(0).getProvenanceList()).isEmpty();
    RecommendRequest.Builder summary = withHistory("x").toBuilder();
    summary.getOptionsBuilder().setExplanation(ExplanationLevel.EXPLANATION_LEVEL_SUMMARY);
    ResultPage page = router.stub().recommend(summary.build()).getPage();
    assertThat(page.getStagesList()).isNotEmpty();
    assertThat(page.getItems(0).getProvenanceList()).isNotEmpty();
    assertThat(page.getItems(0).getScoresList()).isEmpty();
  }

  @Test
  void recommend_filterThatLeavesNothing_isAnEmptyShortList() {
    RunningRouter router = feed(RANKED);
    for (String bundle : List.of("tiger@1", "e4srec@1")) {
      router.stages.sources.put(
          bundle,
          request -> {
            assertThat(request.hasFilter()).isTrue();
            return RetrieveResponse.newBuilder().setShortList(true).setHistoryUsed(1).build();
          });
    }
    RecommendRequest.Builder request = withHistory("x").toBuilder();
    request
        .getOptionsBuilder()
        .setFilter(
            filter("{\"equals\": {\"attribute\": \"brand\", \"value\": {\"text\": \"no\"}}}"));
    ResultPage page = router.stub().recommend(request.build()).getPage();
    assertThat(page.getItemsList()).isEmpty();
    assertThat(page.getShortList()).isTrue();
    assertThat(page.getDegradationsList()).isEmpty();
    assertThat(page.getNextPageToken()).isEmpty();
  }

  private static Filter filter(String json) {
    Filter.Builder filter = Filter.newBuilder();
    try {
      com.google.protobuf.util.JsonFormat.parser().merge(json, filter);
    } catch (com.google.protobuf.InvalidProtocolBufferException e) {
      throw new IllegalArgumentException(e);
    }
    return filter.build();
  }

  // Degradation.

  private static Degradation only(ResultPage page) {
    assertThat(page.getDegradationsList()).hasSize(1);
    return page.getDegradations(0);
  }

  @Test
  void recommend_lateSource_isLeftOutAndFlagged() {
    RunningRouter router =
        started(
            new RunningRouter(
                FEED.replace(
                    "{bundle: tiger@1, when: has-history, beam: 50}",
                    "{bundle: tiger@1, when: has-history, budget: {max: 30ms}}")));
    router.stages.source("e4srec@1", "b", "d").sources.put("tiger@1", router.stages.never());
    ResultPage page = page(router, "x");
    assertThat(ids(page)).containsExactly("b", "d");
    assertThat(only(page).getStage()).isEqualTo("retrieval/tiger");
    assertThat(only(page).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_LATE);
    assertThat(page.getStagesList())
        .filteredOn(fact -> fact.getStage().equals("retrieval/tiger"))
        .extracting(StageFact::getOutcome)
        .containsExactly("DEADLINE_EXCEEDED");
    await().until(() -> router.stages.cancelled.get() == router.stages.waiting.get());
  }

  @Test
  void recommend_failedSource_isLeftOutWithItsReason() {
    RunningRouter router = feed("");
    router.stages.sources.put("tiger@1", failing(new IllegalStateException("secret")));
    ResultPage page = page(router, "x");
    assertThat(ids(page)).containsExactly("b", "d");
    assertThat(only(page).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_FAILED);
    assertThat(only(page).getDetail()).doesNotContain("secret");
    router.stages.sources.put("tiger@1", failing(RequestException.resourceExhausted("full")));
    assertThat(only(page(router, "x")).getReason())
        .isEqualTo(DegradationReason.DEGRADATION_REASON_OVERLOADED);
  }

  @Test
  void recommend_everySourceFailed_asksThoseWithoutHistoryThenFails() {
    RunningRouter router = feed("");
    router.stages.sources.put("tiger@1", failing(RequestException.unavailable("down")));
    router.stages.sources.put("e4srec@1", failing(RequestException.unavailable("down")));
    ResultPage page = page(router, "x");
    assertThat(ids(page)).containsExactly("p", "q");
    assertThat(page.getDegradationsList())
        .extracting(Degradation::getReason)
        .contains(DegradationReason.DEGRADATION_REASON_PARTIAL);
    router.stages.sources.put("popular@1", failing(RequestException.unavailable("down")));
    assertThat(code(() -> page(router, "x"))).isEqualTo(Status.Code.UNAVAILABLE);
    router.stages.sources.put(
        "popular@1",
        failing(RequestException.failedPrecondition("catalogue: empty (expected: items)")));
    assertThat(failure(() -> page(router)))
        .contains("FAILED_PRECONDITION", "catalogue: empty (expected: items)");
  }

  @Test
  void recommend_requiredSourceFailed_isTheCallsFailure() {
    RunningRouter router =
        started(
            new RunningRouter(
                FEED.replace(
                    "{bundle: e4srec@1, when: has-history}",
                    "{bundle: e4srec@1, when: has-history, optional: false}")));
    router.stages.source("tiger@1", "a");
    assertThat(failure(() -> page(router, "x")))
        .contains("FAILED_PRECONDITION")
        .contains("retrieval/e4srec")
        .contains("bundle: e4srec@1");
    router.stages.sources.put("e4srec@1", failing(new IllegalStateException()));
    assertThat(code(() -> page(router, "x"))).isEqualTo(Status.Code.UNAVAILABLE);
  }

  @Test
  void search_rankerFails_mergedOrderIsServed() {
    for (boolean optional : new boolean[] {true, false}) {
      RunningRouter router =
          search(
              "ranking: {bundle: ranker@1, budget: {max: 30ms}, optional: %s}\nmerge: {method: ranker}\n"
                  .formatted(optional));
      router.stages.rankers.put("ranker@1", router.stages.never());
      if (optional) {
        ResultPage page = router.stub().search(shoes()).getPage();
        assertThat(ids(page)).containsExactly("c", "a", "b", "d");
        assertThat(page.getItems(0).getScoreKind()).isEqualTo(ScoreKind.SCORE_KIND_RECIPROCAL_RANK);
        assertThat(only(page).getStage()).isEqualTo("ranking");
        assertThat(only(page).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_LATE);
      } else {
        assertThat(code(() -> router.stub().search(shoes())))
            .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      }
    }
  }

  @Test
  void search_rankerAnswersForOthers_isAFailure() {
    RunningRouter router = search(RANKED);
    router.stages.rankers.put(
        "ranker@1", (RankRequest request) -> RankResponse.getDefaultInstance());
    ResultPage page = router.stub().search(shoes()).getPage();
    assertThat(ids(page)).containsExactly("c", "a", "b", "d");
    assertThat(only(page).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_FAILED);
  }

  @Test
  void search_rewriterLateOrDown_originalQueryIsServed() {
    RunningRouter down = search("");
    down.stages.rewriters.clear();
    assertThat(only(down.stub().search(shoes()).getPage()).getReason())
        .as("not served there")
        .isEqualTo(DegradationReason.DEGRADATION_REASON_FAILED);
    RunningRouter router =
        started(new RunningRouter(SEARCH.replace("max: 2}", "max: 2, budget: {max: 30ms}}")));
    router.stages.source("text@1", "a").source("dense@1", "b");
    router.stages.rewriters.put("beque@1", router.stages.never());
    SearchResponse response = router.stub().search(shoes());
    assertThat(ids(response.getPage())).containsExactly("a", "b");
    assertThat(response.getRewritesList()).isEmpty();
    assertThat(only(response.getPage()).getStage()).isEqualTo("rewrite/beque");
    assertThat(only(response.getPage()).getReason())
        .isEqualTo(DegradationReason.DEGRADATION_REASON_LATE);
  }

  @Test
  void search_stagesUnreachable_failsOrDegradesByNeed() {
    RunningRouter router = search(RANKED);
    assertThat(router.stub().search(shoes()).getPage().getDegradationsList()).isEmpty();
    router.stages.close();
    assertThat(code(() -> router.stub().search(shoes()))).isEqualTo(Status.Code.UNAVAILABLE);
  }

  // The ladder.

  @Test
  void recommend_ladder_narrowsAndSaysSo() {
    RunningRouter router =
        feed(
            RANKED
                + "merge: {method: ranker}\n"
                + "ladder: [{below: 1h, beam: 10, k: 2, candidates: 1}]\n");
    ResultPage page = page(router, "x");
    assertThat(router.stages.retrievals)
        .extracting(RetrieveRequest::getBeamWidth)
        .containsExactlyInAnyOrder(10, 0);
    assertThat(router.stages.retrievals).extracting(RetrieveRequest::getK).containsOnly(2);
    assertThat(router.stages.rankings.getFirst().getCandidatesCount()).isEqualTo(1);
    assertThat(ids(page)).containsExactly("b");
    assertThat(page.getDegradationsList())
        .extracting(d -> d.getStage() + ": " + d.getDetail())
        .containsExactlyInAnyOrder(
            "retrieval/tiger: 2 items instead of 100",
            "retrieval/tiger: 10 beams instead of 50",
            "retrieval/e4srec: 2 items instead of 100",
            "ranking: 1 candidates instead of 3");
    assertThat(page.getDegradationsList())
        .extracting(Degradation::getReason)
        .containsOnly(DegradationReason.DEGRADATION_REASON_LADDER);
  }

  @Test
  void recommend_decoding_isPassedOnAndNarrowedBeamsAreADegradation() {
    RunningRouter router =
        started(
            new RunningRouter(
                """
                name: feed
                kind: feed
                deadline: 60s
                sources:
                  - bundle: tiger@1
                    beam: 50
                    decoding:
                      sampling: {temperature: 0.5, seed: 7}
                      quotas: [{length: 2, most: 3}]
                      unseen_share: 0.1
                      load_width: {least: 10}
                """));
    router.stages.sources.put(
        "tiger@1",
        request ->
            FakeStages.list(request, List.of("a", "b")).toBuilder()
                .setNarrowed(NarrowedBeams.newBuilder().setAsked(50).setSearched(20))
                .build());

    ResultPage page = page(router, "x");

    assertThat(router.stages.retrievals.getFirst().getDecoding())
        .isEqualTo(
            Decoding.newBuilder()
                .setSampling(Sampling.newBuilder().setTemperature(0.5).setSeed(7))
                .addQuotas(PrefixQuota.newBuilder().setLength(2).setMost(3))
                .setUnseenShare(0.1)
                .setLoadWidth(LoadWidth.newBuilder().setLeast(10))
                .build());
    assertThat(page.getDegradationsList())
        .containsExactly(
            Degradation.newBuilder()
                .setStage("retrieval/tiger")
                .setReason(DegradationReason.DEGRADATION_REASON_LOAD)
                .setDetail("20 beams instead of 50")
                .build());
  }

  @Test
  void recommend_samplingWithoutASeed_drawsOneForEachRequest() {
    RunningRouter router =
        started(
            new RunningRouter(
                """
                {name: feed, kind: feed, deadline: 60s,
                 sources: [{bundle: tiger@1, decoding: {sampling: {temperature: 1}}}]}
                """));
    router.stages.source("tiger@1", "a");

    page(router, "x");
    page(router, "x");

    assertThat(router.stages.retrievals)
        .extracting(request -> request.getDecoding().getSampling().getSeed())
        .doesNotHaveDuplicates();
  }

  @Test
  void search_ladder_skipsRewriteAndRanking() {
    RunningRouter router = search(RANKED + "ladder: [{below: 1h, skip: [rewrite, ranking]}]\n");
    SearchResponse response = router.stub().search(shoes());
    assertThat(response.getRewritesList()).isEmpty();
    assertThat(router.stages.rankings).isEmpty();
    assertThat(response.getPage().getDegradationsList())
        .extracting(Degradation::getStage)
        .containsExactly("rewrite", "ranking");
  }

  @Test
  void recommend_ladderPopular_asksOnlyThoseWithoutHistory() {
    RunningRouter router = feed(RANKED + "ladder: [{below: 1h, answer: popular}]\n");
    ResultPage page = page(router, "p");
    assertThat(ids(page)).as("legal items only: p was seen").containsExactly("q");
    assertThat(only(page).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_LADDER);
    assertThat(router.stages.rankings).isEmpty();
  }

  @Test
  void recommend_ladderCached_servesTheLastWholeListWithoutWhatWasSeenSince() {
    RunningRouter router = cached(new ConcurrentHashMap<>(all("a", "b", "c", "d", "p", "q")));
    RecommendRequest request =
        RecommendRequest.newBuilder().setUser(User.newBuilder().setId("u")).build();
    router.users.record("u", List.of(click("1", "x", 1)), WITHIN);
    assertThat(ids(router.stub().recommend(request).getPage())).containsExactly("b", "a", "d", "c");
    int asked = router.stages.retrievals.size();
    router.users.record("u", List.of(click("2", "a", 2)), WITHIN);
    ResultPage hurried =
        RouterServiceGrpc.newBlockingStub(router.channel)
            .withDeadlineAfter(20, TimeUnit.SECONDS)
            .recommend(request)
            .getPage();
    assertThat(ids(hurried)).containsExactly("b", "d", "c");
    assertThat(only(hurried).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_LADDER);
    assertThat(router.stages.retrievals).hasSize(asked);
  }

  @Test
  void recommend_ladderCached_servesNothingThatIsNoLongerLegal() {
    Map<String, CatalogItem> catalogue = new ConcurrentHashMap<>(all("a", "b", "c", "d", "p", "q"));
    RunningRouter router = cached(catalogue);
    RecommendRequest.Builder request = withHistory("x").toBuilder();
    request
        .getOptionsBuilder()
        .getFilterBuilder()
        .getEqualsBuilder()
        .setAttribute("group")
        .getValueBuilder()
        .setText("g");
    assertThat(ids(router.stub().recommend(request.build()).getPage()))
        .containsExactly("b", "a", "d", "c");
    catalogue.remove("a");
    catalogue.put("d", item("d", "another"));
    ResultPage hurried = hurried(router, request.build());
    assertThat(ids(hurried)).containsExactly("b", "c");
    assertThat(hurried.getShortList()).isTrue();
    assertThat(only(hurried).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_LADDER);
    // A list of before the offset that the caller wants is no answer.
    request.getOptionsBuilder().setMinCatalogOffset(1);
    int asked = router.stages.retrievals.size();
    hurried(router, request.build());
    assertThat(router.stages.retrievals.size()).isGreaterThan(asked);
  }

  @Test
  void build_cachedAnswersWithoutACatalogue_areRefused() {
    assertThatThrownBy(
            () -> new RunningRouter(FEED + "ladder: [{below: 30s, answer: cached}]\n").close())
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("a router with the catalogue");
  }

  private static Map<String, CatalogItem> all(String... ids) {
    return Arrays.stream(ids).collect(Collectors.toMap(id -> id, id -> item(id, "g")));
  }

  private RunningRouter cached(Map<String, CatalogItem> catalogue) {
    RunningRouter router =
        started(
            new RunningRouter(
                builder -> builder.catalogue(id -> Optional.ofNullable(catalogue.get(id))),
                FEED + "ladder: [{below: 30s, answer: cached}]\n"));
    router
        .stages
        .source("tiger@1", "a", "b", "c")
        .source("e4srec@1", "b", "d")
        .source("popular@1", "p", "q");
    return router;
  }

  private static ResultPage hurried(RunningRouter router, RecommendRequest request) {
    return RouterServiceGrpc.newBlockingStub(router.channel)
        .withDeadlineAfter(20, TimeUnit.SECONDS)
        .recommend(request)
        .getPage();
  }

  @Test
  void recommend_ladderByLoad_holdsWhileTheServerIsFullAndSaysSo() throws Exception {
    RunningRouter router =
        started(
            new RunningRouter(
                ServerConfig.of(Map.of("max_concurrent_calls", "4")),
                FEED + RANKED + "ladder: [{load: 0.5, beam: 10, skip: [ranking]}]\n"));
    router
        .stages
        .source("tiger@1", "a", "b", "c")
        .source("e4srec@1", "b", "d")
        .reversingRanker("ranker@1");
    assertThat(page(router, "x").getDegradationsList()).isEmpty();
    router.stages.sources.put("tiger@1", router.stages.never());
    ListenableFuture<RecommendResponse> slow =
        RouterServiceGrpc.newFutureStub(router.channel)
            .withDeadlineAfter(60, TimeUnit.SECONDS)
            .recommend(withHistory("y"));
    await().until(() -> router.stages.waiting.get() == 1);
    router.stages.source("tiger@1", "a", "b", "c");
    ResultPage page = page(router, "x");
    slow.cancel(true);
    assertThat(page.getDegradationsList())
        .extracting(d -> d.getStage() + ": " + d.getDetail())
        .containsExactlyInAnyOrder(
            "retrieval/tiger: 10 beams instead of 50", "ranking: skipped: the server is busy");
    assertThat(page.getDegradationsList())
        .extracting(Degradation::getReason)
        .containsOnly(DegradationReason.DEGRADATION_REASON_LOAD);
  }

  // Second calls.

  @Test
  void recommend_lostCall_isMadeAgain() {
    RunningRouter router = feed("");
    AtomicInteger calls = new AtomicInteger();
    router.stages.sources.put(
        "tiger@1",
        request -> {
          if (calls.getAndIncrement() == 0) {
            throw RequestException.unavailable("lost");
          }
          return FakeStages.list(request, List.of("a"));
        });
    ResultPage page = page(router, "x");
    assertThat(page.getDegradationsList()).isEmpty();
    assertThat(ids(page)).contains("a");
    assertThat(calls).hasValue(2);
  }

  @Test
  void recommend_refusedOrWrongCall_isMadeOnce() {
    for (RuntimeException failure :
        List.of(
            RequestException.resourceExhausted("full"),
            RequestException.failedPrecondition("no"),
            RequestException.deadlineExceeded("late"),
            new IllegalStateException("defect"))) {
      RunningRouter router = feed("");
      AtomicInteger calls = new AtomicInteger();
      router.stages.sources.put(
          "tiger@1",
          request -> {
            calls.incrementAndGet();
            throw failure;
          });
      assertThat(only(page(router, "x")).getStage()).isEqualTo("retrieval/tiger");
      assertThat(calls).as(failure.toString()).hasValue(1);
    }
  }

  @Test
  void recommend_stageStaysDown_isAskedAgainNoMoreThanTheBudgetAllows() {
    RunningRouter router = feed("retry: {share: 0.1, burst: 5}\n");
    AtomicInteger calls = new AtomicInteger();
    router.stages.sources.put(
        "tiger@1",
        request -> {
          calls.incrementAndGet();
          throw RequestException.unavailable("down");
        });
    for (int i = 0; i < 100; i++) {
      assertThat(only(page(router, "x")).getReason())
          .isEqualTo(DegradationReason.DEGRADATION_REASON_FAILED);
    }
    // A tenth of 200 calls of two sources, and the burst.
    assertThat(calls.get()).isBetween(120, 125);
  }

  @Test
  void recommend_noShareForRetries_neverAsksAgain() {
    RunningRouter router = feed("retry: {share: 0}\n");
    AtomicInteger calls = new AtomicInteger();
    router.stages.sources.put(
        "tiger@1",
        request -> {
          calls.incrementAndGet();
          throw RequestException.unavailable("down");
        });
    page(router, "x");
    assertThat(calls).hasValue(1);
  }

  @Test
  void recommend_slowCallOfAnIdleRouter_isHedgedAndTheLoserCancelled() {
    RunningRouter router = feed("hedge: {after: 5ms}\n");
    AtomicInteger calls = new AtomicInteger();
    Function<RetrieveRequest, RetrieveResponse> never = router.stages.never();
    router.stages.sources.put(
        "tiger@1",
        request ->
            calls.getAndIncrement() == 0
                ? never.apply(request)
                : FakeStages.list(request, List.of("a")));
    ResultPage page = page(router, "x");
    assertThat(page.getDegradationsList()).isEmpty();
    assertThat(ids(page)).contains("a");
    assertThat(calls).hasValue(2);
    await().until(() -> router.stages.cancelled.get() == 1);
  }

  @Test
  void recommend_slowCallOfABusyRouter_isWaitedFor() throws Exception {
    // Every call is half of what the server may have in progress.
    RunningRouter router =
        started(
            new RunningRouter(
                ServerConfig.of(Map.of("max_concurrent_calls", "2")),
                FEED + "hedge: {after: 1ms, load: 0.5}\n"));
    AtomicInteger calls = new AtomicInteger();
    router.stages.source("e4srec@1", "b", "d");
    router.stages.sources.put(
        "tiger@1",
        request -> {
          calls.incrementAndGet();
          sleep(50);
          return FakeStages.list(request, List.of("a"));
        });
    assertThat(ids(page(router, "x"))).contains("a");
    assertThat(calls).hasValue(1);
  }

  private static void sleep(int millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new CancellationException();
    }
  }

  private static UserEvent click(String id, String item, int second) {
    return new UserEvent(
        id, item, io.espalier.stores.users.EventKind.CLICK, Instant.ofEpochSecond(second));
  }

  @Test
  void recommend_clickAndThePurchaseAfterIt_areOneStepOfHistory() {
    RunningRouter router = feed("");
    UserEvent bought =
        new UserEvent(
            "2", "h1", io.espalier.stores.users.EventKind.PURCHASE, Instant.ofEpochSecond(2));
    router.users.record(
        "u",
        List.of(click("1", "h1", 1), bought, click("3", "h2", 3), click("4", "h2", 4)),
        WITHIN);
    router
        .stub()
        .recommend(RecommendRequest.newBuilder().setUser(User.newBuilder().setId("u")).build());
    RecommendRequest.Builder inline = RecommendRequest.newBuilder();
    inline
        .getUserBuilder()
        .addRecentEvents(event("h1").toBuilder().setKind(EventKind.EVENT_KIND_CLICK))
        .addRecentEvents(event("h1").toBuilder().setKind(EventKind.EVENT_KIND_PURCHASE))
        .addRecentEvents(event("h2"))
        .addRecentEvents(event("h2"));
    router.stub().recommend(inline.build());
    assertThat(router.stages.retrievals)
        .isNotEmpty()
        .allSatisfy(asked -> assertThat(asked.getHistoryList()).containsExactly("h1", "h2", "h2"));
  }

  @Test
  void recommend_tokenOfAnotherInlineHistory_isRefused() {
    RunningRouter router = feed("page_size: 1\n");
    RecommendRequest.Builder first = RecommendRequest.newBuilder();
    first.getUserBuilder().addRecentEvents(event("h1"));
    String token = router.stub().recommend(first.build()).getPage().getNextPageToken();
    RecommendRequest.Builder other = RecommendRequest.newBuilder();
    other.getUserBuilder().addRecentEvents(event("h2"));
    other.getOptionsBuilder().setPageToken(token);
    assertThat(failure(() -> router.stub().recommend(other.build())))
        .startsWith("INVALID_ARGUMENT options.page_token: ");
  }

  @Test
  void recordEvents_timeFarAhead_countsAsNow() {
    RunningRouter router = feed("");
    router
        .stub()
        .recordEvents(
            RecordEventsRequest.newBuilder()
                .setUserId("u")
                .addEvents(
                    event("a").toBuilder()
                        .setEventId("1")
                        .setTime(Timestamp.newBuilder().setSeconds(253_000_000_000L)))
                .build());
    assertThat(router.users.recent("u", UserStateStore.INTERACTIONS, 1, WITHIN))
        .singleElement()
        .satisfies(
            event -> assertThat(event.time()).isBefore(Instant.ofEpochSecond(250_000_000_000L)));
  }

  // Deadlines and cancellation.

  @Test
  void recommend_lessTimeThanTheReserve_isDeadlineExceededAtOnce() {
    RunningRouter router = feed("reserve: 59s\n");
    RecommendRequest request = withHistory("x");
    assertThat(
            code(
                () ->
                    RouterServiceGrpc.newBlockingStub(router.channel)
                        .withDeadlineAfter(20, TimeUnit.SECONDS)
                        .recommend(request)))
        .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    assertThat(router.stages.retrievals).isEmpty();
  }

  @Test
  void recommend_deadlinePassed_isDeadlineExceeded() {
    RunningRouter router = feed("");
    assertThat(
            code(
                () ->
                    RouterServiceGrpc.newBlockingStub(router.channel)
                        .withDeadlineAfter(-1, TimeUnit.SECONDS)
                        .recommend(withHistory("x"))))
        .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
  }

  @Test
  void recommend_callersDeadlinePasses_everythingBeneathIsCancelled() {
    RunningRouter router = feed("");
    router.stages.sources.put("tiger@1", router.stages.never());
    router.stages.sources.put("e4srec@1", router.stages.never());
    router.stages.sources.put("popular@1", router.stages.never());
    assertThat(
            code(
                () ->
                    RouterServiceGrpc.newBlockingStub(router.channel)
                        .withDeadlineAfter(100, TimeUnit.MILLISECONDS)
                        .recommend(withHistory("x"))))
        .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    await().until(() -> router.stages.cancelled.get() == router.stages.waiting.get());
  }

  @Test
  void search_callIsCancelled_everyCallBeneathIsCancelled() {
    RunningRouter router = search("");
    router.stages.sources.put("text@1", router.stages.never());
    router.stages.sources.put("dense@1", router.stages.never());
    router.stages.rewriters.put("beque@1", router.stages.never());
    ListenableFuture<SearchResponse> call =
        RouterServiceGrpc.newFutureStub(router.channel).search(shoes());
    await().until(() -> router.stages.waiting.get() == 3);
    assertThat(router.stages.cancelled).hasValue(0);
    assertThat(call.cancel(true)).isTrue();
    await().until(() -> router.stages.cancelled.get() == 3);
    assertThat(router.server.unmappedExceptions()).isZero();
  }

  @Test
  void recommend_eachStage_getsNoMoreThanItsBudget() {
    RunningRouter router =
        started(
            new RunningRouter(
                FEED.replace(
                    "{bundle: tiger@1, when: has-history, beam: 50}",
                    "{bundle: tiger@1, when: has-history, budget: {share: 0.5, max: 10s}}")));
    List<Duration> given = new ArrayList<>();
    router.stages.sources.put(
        "tiger@1",
        request -> {
          io.espalier.server.Deadlines.remaining().ifPresent(given::add);
          return FakeStages.list(request, List.of("a"));
        });
    router.stages.sources.put("e4srec@1", router.stages.sources.get("tiger@1"));
    page(router, "x");
    assertThat(given).hasSize(2);
    given.sort(Duration::compareTo);
    assertThat(given.get(0)).isLessThanOrEqualTo(Duration.ofSeconds(10));
    assertThat(given.get(1)).isBetween(Duration.ofSeconds(10), Duration.ofSeconds(42));
  }

  // Routes, arms, bad input.

  @Test
  void recommend_unknownRoute_isNotFoundAndNamesThoseThatExist() {
    RunningRouter router = feed("");
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    request.getOptionsBuilder().setRoute("fed");
    assertThat(failure(() -> router.stub().recommend(request.build())))
        .isEqualTo("NOT_FOUND options.route: fed (expected: one of [feed])");
    assertThat(code(() -> router.stub().search(shoes()))).isEqualTo(Status.Code.NOT_FOUND);
    SearchRequest.Builder wrongKind = shoes().toBuilder();
    wrongKind.getOptionsBuilder().setRoute("feed");
    assertThat(code(() -> router.stub().search(wrongKind.build())))
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  @Test
  void search_badFields_areInvalidArgumentNamingFieldValueAndRule() {
    RunningRouter router = search("");
    SearchRequest.Builder huge = shoes().toBuilder();
    huge.getOptionsBuilder().setPageSize(1_000_000);
    assertThat(failure(() -> router.stub().search(huge.build())))
        .startsWith("INVALID_ARGUMENT options.page_size: 1000000 (expected: ")
        .contains("500");
    assertThat(failure(() -> router.stub().search(SearchRequest.getDefaultInstance())))
        .startsWith("INVALID_ARGUMENT query: ")
        .contains("string.min_len");
    assertThat(
            failure(
                () -> router.stub().search(SearchRequest.newBuilder().setQuery(" \t ").build())))
        .contains("query: blank");
    assertThat(
            failure(
                () ->
                    router
                        .stub()
                        .search(SearchRequest.newBuilder().setQuery("q".repeat(513)).build())))
        .contains("INVALID_ARGUMENT query: qqq", "(513 characters)");
    SearchRequest.Builder context = shoes().toBuilder();
    context.getOptionsBuilder().putContext("k".repeat(65), "v");
    assertThat(failure(() -> router.stub().search(context.build())))
        .startsWith("INVALID_ARGUMENT options.context: key: kkk");
    Filter deep = filter("{\"ids\": {\"ids\": [\"a\"]}}");
    for (int i = 0; i < 16; i++) {
      deep = Filter.newBuilder().setNot(deep).build();
    }
    SearchRequest.Builder nested = shoes().toBuilder();
    nested.getOptionsBuilder().setFilter(deep);
    assertThat(failure(() -> router.stub().search(nested.build())))
        .contains("INVALID_ARGUMENT options.filter: deeper than 16");
    Filter.Builder wide = Filter.newBuilder();
    for (int i = 0; i < 64; i++) {
      Filter.Builder part = wide.getAllOfBuilder().addFiltersBuilder();
      for (int j = 0; j < 4; j++) {
        part.getAnyOfBuilder().addFiltersBuilder().getIdsBuilder().addIds("a");
      }
    }
    SearchRequest.Builder many = shoes().toBuilder();
    many.getOptionsBuilder().setFilter(wide);
    assertThat(failure(() -> router.stub().search(many.build()))).contains("321 nodes");
    SearchRequest.Builder empty = shoes().toBuilder();
    empty.getOptionsBuilder().setFilter(Filter.getDefaultInstance());
    assertThat(code(() -> router.stub().search(empty.build())))
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(router.server.unmappedExceptions()).isZero();
  }

  @Test
  void recommend_pageSizeZero_isTheRoutes() {
    RunningRouter router = feed("page_size: 3\n");
    assertThat(ids(page(router, "x"))).hasSize(3);
  }

  @Test
  void recommend_arms_areStickyAndOverride() {
    RunningRouter router =
        feed(
            """
            arms:
              list:
                - {name: control, weight: 1}
                - {name: only-e4srec, weight: 1, override: {sources: [{bundle: e4srec@1}]}}
            """);
    Map<String, List<String>> expected =
        Map.of("control", List.of("p", "q"), "only-e4srec", List.of("b", "d"));
    List<String> arms = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      RecommendRequest request =
          RecommendRequest.newBuilder().setUser(User.newBuilder().setId("u" + i)).build();
      ResultPage page = router.stub().recommend(request).getPage();
      assertThat(ids(page)).isEqualTo(expected.get(page.getArm()));
      assertThat(router.stub().recommend(request).getPage().getArm()).isEqualTo(page.getArm());
      arms.add(page.getArm());
    }
    assertThat(arms).contains("control", "only-e4srec");
    assertThat(router.stub().recommend(RecommendRequest.getDefaultInstance()).getPage().getArm())
        .isEqualTo("control");
  }

  // Rules.

  @Test
  void recommend_rules_pinGroupAndSayIt() {
    Map<String, CatalogItem> catalogue =
        Map.of("a", item("a", "g"), "b", item("b", "g"), "z", item("z", ""));
    RunningRouter router =
        started(
            new RunningRouter(
                builder -> builder.catalogue(id -> Optional.ofNullable(catalogue.get(id))),
                FEED
                    + """
                    rules:
                      - pin: {ids: [z, unknown], position: 1}
                      - group: {attribute: group, max: 1}
                    """));
    router.stages.source("tiger@1", "a", "b", "c").source("e4srec@1", "b", "d");
    ResultPage page = page(router, "x");
    assertThat(ids(page)).containsExactly("b", "z", "d", "c");
    assertThat(page.getItems(1).getRulesList()).containsExactly("pin @ 1");
    assertThat(page.getItems(1).getProvenanceList()).isEmpty();
  }

  @Test
  void build_rulesThatReadItemsWithoutACatalogue_areRefused() {
    assertThatThrownBy(
            () -> new RunningRouter(FEED + "rules: [{group: {attribute: group}}]\n").close())
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("a router with the catalogue");
  }

  private static CatalogItem item(String id, String group) {
    return new CatalogItem(
        id, id, "", List.of(), "", OptionalDouble.empty(), Map.of(), group, OptionalLong.empty());
  }

  // Pages.

  private static ListOptions.Builder options(RecommendRequest.Builder request) {
    return request.getOptionsBuilder();
  }

  @Test
  void recommend_pages_areSlicesOfOneListWhateverHappens() throws Exception {
    RunningRouter router = feed("");
    router.stages.source("tiger@1", items("i", 97)).source("e4srec@1", items("i", 50));
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    request.getUserBuilder().setId("u");
    router.users.record("u", List.of(click("0", "x", 0)), WITHIN);
    options(request).setPageSize(500);
    List<String> whole = ids(router.stub().recommend(request.build()).getPage());
    assertThat(whole).hasSize(97);
    options(request).setPageSize(10);
    AtomicBoolean done = new AtomicBoolean();
    // No virtual thread: on one processor those that never wait keep others from starting.
    Thread events =
        Thread.ofPlatform()
            .start(
                () -> {
                  for (int i = 1; !done.get(); i++) {
                    router.stub().recordEvents(events("u", "e" + i, "i" + (i % 97)));
                    router.stages.source("tiger@1", items("new" + i + "-", 20));
                  }
                });
    List<String> paged = new ArrayList<>();
    ResultPage first = router.stub().recommend(request.build()).getPage();
    ResultPage page = first;
    while (true) {
      paged.addAll(ids(page));
      assertThat(page.getRequestId()).isEqualTo(first.getRequestId());
      if (page.getNextPageToken().isEmpty()) {
        break;
      }
      options(request).setPageToken(page.getNextPageToken());
      ResultPage next = router.stub().recommend(request.build()).getPage();
      ResultPage again = router.stub().recommend(request.build()).getPage();
      assertThat(again.getItemsList()).isEqualTo(next.getItemsList());
      page = next;
    }
    done.set(true);
    events.join();
    assertThat(paged).doesNotHaveDuplicates();
    assertThat(paged.size()).isGreaterThan(20);
  }

  private static RecordEventsRequest events(String user, String id, String item) {
    return RecordEventsRequest.newBuilder()
        .setUserId(user)
        .addEvents(event(item).toBuilder().setEventId(id))
        .build();
  }

  @Test
  void recommend_foreignTamperedOrExpiredTokens_areInvalidArgument() {
    RunningRouter router = feed("page_size: 1\npage_token_ttl: 5m\n");
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    request.getUserBuilder().setId("u");
    String token = router.stub().recommend(request.build()).getPage().getNextPageToken();
    options(request).setPageToken(token);
    assertThat(ids(router.stub().recommend(request.build()).getPage())).containsExactly("q");

    RecommendRequest.Builder otherUser = request.clone();
    otherUser.getUserBuilder().setId("v");
    RecommendRequest.Builder otherFilter = request.clone();
    options(otherFilter).setFilter(filter("{\"ids\": {\"ids\": [\"q\"]}}"));
    RecommendRequest.Builder unmasked = request.clone();
    options(unmasked).setIncludeSeen(true);
    RecommendRequest.Builder tampered = request.clone();
    options(tampered).setPageToken("A".repeat(30) + token.substring(30));
    for (RecommendRequest.Builder bad : List.of(otherUser, otherFilter, unmasked, tampered)) {
      assertThat(failure(() -> router.stub().recommend(bad.build())))
          .startsWith("INVALID_ARGUMENT options.page_token: ");
    }
    RunningRouter other = feed("page_size: 1\n");
    assertThat(code(() -> other.stub().recommend(request.build())))
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
    router.now.updateAndGet(now -> now.plus(Duration.ofMinutes(5)));
    assertThat(failure(() -> router.stub().recommend(request.build())))
        .contains("INVALID_ARGUMENT", "expired");
  }

  @Test
  void recommend_sharedKey_tokenIsKnownButItsListIsNot() {
    String key = java.util.Base64.getEncoder().encodeToString(new byte[32]);
    RouterConfig config = new RouterConfig(Secret.of(key), 1_000);
    RunningRouter one = started(new RunningRouter(b -> b.config(config), FEED + "page_size: 1\n"));
    RunningRouter two = started(new RunningRouter(b -> b.config(config), FEED + "page_size: 1\n"));
    one.stages.source("popular@1", "p", "q");
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    String token = one.stub().recommend(request.build()).getPage().getNextPageToken();
    options(request).setPageToken(token);
    assertThat(failure(() -> two.stub().recommend(request.build())))
        .contains("INVALID_ARGUMENT", "expired");
    assertThat(config.toString()).doesNotContain(key);
    assertThatThrownBy(() -> new RouterConfig(Secret.of("c2hvcnQ="), 1_000))
        .hasMessageContaining("5 bytes");
    assertThatThrownBy(() -> new RouterConfig(Secret.of("no base64!"), 1_000))
        .hasMessage("page_token_key: not base64 (expected: base64)")
        .hasNoCause();
  }

  // Events.

  @Test
  void recordEvents_newDuplicateAndLate_areCountedAndOrderTheHistory() {
    RunningRouter router = feed("");
    RecordEventsRequest.Builder request = RecordEventsRequest.newBuilder().setUserId("u");
    request.addEvents(timed("1", "a", 100)).addEvents(timed("2", "b", 50));
    RecordEventsResponse first = router.stub().recordEvents(request.build());
    assertThat(first.getAccepted()).isEqualTo(2);
    request.addEvents(timed("3", "late", 10));
    RecordEventsResponse second = router.stub().recordEvents(request.build());
    assertThat(second.getAccepted()).isEqualTo(1);
    assertThat(second.getDuplicates()).isEqualTo(2);
    router
        .stub()
        .recommend(RecommendRequest.newBuilder().setUser(User.newBuilder().setId("u")).build());
    assertThat(router.stages.retrievals.getFirst().getHistoryList())
        .containsExactly("late", "b", "a");
  }

  @Test
  void recordEvents_logCannotBeWritten_isUnavailable(@TempDir Path directory) {
    EmbeddedUserStates store = EmbeddedUserStates.open(directory, 100, Durability.WRITTEN);
    RunningRouter router = started(new RunningRouter(store, builder -> builder, FEED));
    store.close();

    assertThatThrownBy(() -> router.stub().recordEvents(events("u", "e1", "a")))
        .hasMessage("UNAVAILABLE: user state: cannot be changed at present; try again");
    assertThat(store.knows("u")).isFalse();
  }

  /** A store on a server that is late or away. */
  private record LostUsers(UserStateException failure) implements UserStateStore {
    @Override
    public Recorded record(String user, List<UserEvent> events, Duration within) {
      throw failure;
    }

    @Override
    public List<UserEvent> recent(
        String user, Set<io.espalier.stores.users.EventKind> kinds, int max, Duration within) {
      throw failure;
    }

    @Override
    public void erase(String user, Instant at, Duration within) {
      throw failure;
    }

    @Override
    public UserKeys keys() {
      throw failure;
    }

    @Override
    public void onErasure(Consumer<String> forget) {}

    @Override
    public void close() {}
  }

  private RunningRouter withLostUsers(UserStateException failure) {
    RunningRouter router =
        started(new RunningRouter(new LostUsers(failure), builder -> builder, FEED));
    router.stages.source("popular@1", "p", "q");
    return router;
  }

  @Test
  void recommend_storeLate_answersWithoutHistoryFlagged() {
    RunningRouter router = withLostUsers(UserStateException.late("late", null));
    ResultPage page = router.stub().recommend(ofUser("u")).getPage();
    assertThat(page.getItemsList()).extracting(ResultItem::getItemId).containsExactly("p", "q");
    assertThat(only(page).getStage()).isEqualTo("user-state");
    assertThat(only(page).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_LATE);
  }

  @Test
  void recommend_storeAway_answersWithoutHistoryFlagged() {
    RunningRouter router = withLostUsers(UserStateException.failed("away", null));
    ResultPage page = router.stub().recommend(ofUser("u")).getPage();
    assertThat(only(page).getReason()).isEqualTo(DegradationReason.DEGRADATION_REASON_FAILED);
    assertThat(page.getStagesList())
        .anyMatch(
            stage ->
                stage.getStage().equals("user-state") && stage.getOutcome().equals("UNAVAILABLE"));
    assertThatThrownBy(() -> router.stub().recordEvents(events("u", "e1", "a")))
        .hasMessage("UNAVAILABLE: user state: cannot be changed at present; try again");
  }

  @Test
  void eraseUser_knownUser_isForgottenWithHisListsAndNobodyElses() {
    RunningRouter router = feed("page_size: 1\n");
    for (String user : List.of("u", "v")) {
      router.stub().recordEvents(events(user, "e1", "x"));
    }
    Map<String, String> tokens = new HashMap<>();
    for (String user : List.of("u", "v")) {
      tokens.put(user, router.stub().recommend(ofUser(user)).getPage().getNextPageToken());
    }
    router.stub().eraseUser(EraseUserRequest.newBuilder().setUserId("u").build());

    assertThat(router.users.recent("u", UserStateStore.INTERACTIONS, 1, WITHIN)).isEmpty();
    assertThat(failure(() -> router.stub().recommend(next("u", tokens))))
        .startsWith("INVALID_ARGUMENT options.page_token: expired");
    assertThat(router.stub().recommend(next("v", tokens)).getPage().getItemsList()).hasSize(1);
    assertThat(failure(() -> router.stub().eraseUser(EraseUserRequest.getDefaultInstance())))
        .startsWith("INVALID_ARGUMENT user_id");
  }

  @Test
  void eraseUser_ladderCached_forgetsTheLastWholeList() {
    RunningRouter router = cached(new ConcurrentHashMap<>(all("a", "b", "c", "d", "p", "q")));
    router.users.record("u", List.of(click("1", "x", 1)), WITHIN);
    assertThat(ids(router.stub().recommend(ofUser("u")).getPage())).contains("a");
    router.stub().eraseUser(EraseUserRequest.newBuilder().setUserId("u").build());
    ResultPage hurried =
        RouterServiceGrpc.newBlockingStub(router.channel)
            .withDeadlineAfter(20, TimeUnit.SECONDS)
            .recommend(ofUser("u"))
            .getPage();
    assertThat(ids(hurried)).containsExactly("p", "q");
  }

  private static RecommendRequest next(String user, Map<String, String> tokens) {
    RecommendRequest.Builder request = ofUser(user).toBuilder();
    request.getOptionsBuilder().setPageToken(tokens.getOrDefault(user, ""));
    return request.build();
  }

  private static RecommendRequest ofUser(String id) {
    return RecommendRequest.newBuilder().setUser(User.newBuilder().setId(id)).build();
  }

  private static Event timed(String id, String item, long second) {
    Event.Builder event = event(item).toBuilder().setEventId(id);
    event.getTimeBuilder().setSeconds(second);
    return event.build();
  }

  @Test
  void recordEvents_badEvents_areInvalidArgument() {
    RunningRouter router = feed("");
    assertThat(failure(() -> router.stub().recordEvents(events("u", "", "a"))))
        .contains("INVALID_ARGUMENT events[0].event_id");
    assertThat(failure(() -> router.stub().recordEvents(events("", "e", "a"))))
        .contains("INVALID_ARGUMENT user_id");
    RecordEventsRequest.Builder time = events("u", "e", "a").toBuilder();
    time.getEventsBuilder(0).getTimeBuilder().setSeconds(Long.MAX_VALUE);
    assertThat(failure(() -> router.stub().recordEvents(time.build())))
        .contains("INVALID_ARGUMENT events[0].time");
  }

  // Why not.

  @Test
  void whyNot_eachFate_isFound() {
    Map<String, CatalogItem> catalogue =
        Map.of(
            "a", item("a", "g"),
            "b", item("b", "g"),
            "c", item("c", ""),
            "d", item("d", ""),
            "lost", item("lost", ""));
    RunningRouter router =
        started(
            new RunningRouter(
                builder -> builder.catalogue(id -> Optional.ofNullable(catalogue.get(id))),
                FEED
                    + "page_size: 1\nranking: {bundle: ranker@1, candidates: 3}\n"
                    + "merge: {method: ranker}\nrules: [{group: {attribute: group}}]\n"));
    router
        .stages
        .source("tiger@1", "a", "b", "c")
        .source("e4srec@1", "b", "d")
        .reversingRanker("ranker@1");
    // Merged: b a d c; ranked: d a b; b is grouped away behind a.
    assertThat(fates(router, "d"))
        .containsEntry("page", Fate.FATE_KEPT)
        .containsEntry("catalog", Fate.FATE_KEPT)
        .containsEntry("retrieval/tiger", Fate.FATE_PRUNED)
        .containsEntry("retrieval/e4srec", Fate.FATE_KEPT)
        .containsEntry("retrieval/popular", Fate.FATE_NOT_RUN)
        .containsEntry("ranking", Fate.FATE_KEPT);
    assertThat(fates(router, "a")).containsEntry("page", Fate.FATE_OUTRANKED);
    assertThat(fates(router, "b"))
        .containsEntry("rules", Fate.FATE_FILTERED)
        .containsEntry("page", Fate.FATE_NOT_RUN);
    assertThat(fates(router, "c")).containsEntry("ranking", Fate.FATE_OUTRANKED);
    assertThat(fates(router, "lost"))
        .containsEntry("retrieval/tiger", Fate.FATE_PRUNED)
        .doesNotContainKey("ranking");
    assertThat(fates(router, "ghost")).containsEntry("catalog", Fate.FATE_UNKNOWN_ITEM);
    assertThat(fates(router, "x")).containsEntry("filter", Fate.FATE_FILTERED);
    WhyNotResponse present = whyNot(router, "a");
    assertThat(present.getPresent()).isTrue();
    assertThat(present.getRank()).isEqualTo(1);
    assertThat(code(() -> router.stub().whyNot(WhyNotRequest.newBuilder().setItemId("a").build())))
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
    RecommendRequest.Builder paged = withHistory("x").toBuilder();
    paged.getOptionsBuilder().setPageToken("t");
    WhyNotRequest ofPage = WhyNotRequest.newBuilder().setItemId("a").setRecommend(paged).build();
    assertThat(code(() -> router.stub().whyNot(ofPage))).isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  private static WhyNotResponse whyNot(RunningRouter router, String item) {
    return router
        .stub()
        .whyNot(WhyNotRequest.newBuilder().setItemId(item).setRecommend(withHistory("x")).build());
  }

  private static Map<String, Fate> fates(RunningRouter router, String item) {
    Map<String, Fate> fates = new java.util.HashMap<>();
    whyNot(router, item).getFindingsList().forEach(f -> fates.put(f.getStage(), f.getFate()));
    return fates;
  }

  @Test
  void recommend_routeOverRecommendResponse_isComplete() {
    RunningRouter router = feed(RANKED);
    RecommendResponse response = router.stub().recommend(withHistory("x"));
    assertThat(response.getPage().getBundlesList())
        .extracting(b -> b.getName())
        .containsExactly("tiger", "e4srec", "ranker");
    assertThat(response.getPage().getStagesList())
        .extracting(StageFact::getStage)
        .containsExactly("retrieval/tiger", "retrieval/e4srec", "ranking", "router");
  }
}

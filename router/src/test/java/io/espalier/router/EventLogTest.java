package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.events.v1.EventRecord;
import io.espalier.events.v1.Impression;
import io.espalier.events.v1.Interaction;
import io.espalier.events.v1.ServedFeature;
import io.espalier.events.v1.ShownItem;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankResponse;
import io.espalier.ranking.v1.RankedCandidate;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.events.EventCodec;
import io.espalier.router.events.EventJournal;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.testing.CountingTelemetry;
import io.espalier.testing.MemoryLog;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * What is shown and what users do come to the event log as they were, and leave it with their user.
 */
class EventLogTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final String FEED =
      """
      name: feed
      kind: feed
      deadline: 60s
      page_size: 2
      sources:
        - {bundle: tiger@1, when: has-history}
        - {bundle: near@1, when: has-history}
        - {bundle: popular@1, when: no-history}
      """;
  private static final String RANKED = "ranking: {bundle: ranker@3, candidates: 10}\n";

  private final MemoryLog log = new MemoryLog(1);
  private final CountingTelemetry telemetry = new CountingTelemetry();
  private final EmbeddedUserStates users = EmbeddedUserStates.inMemory(100);
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private RunningRouter router(int queue, String route) {
    EventJournal journal =
        EventJournal.start(
            () -> log,
            users.keys(),
            queue,
            Duration.ofSeconds(10),
            telemetry.telemetry().getMeter("test"));
    RunningRouter router = new RunningRouter(users, builder -> builder.journal(journal), route);
    open.add(router);
    open.add(journal);
    router.stages.source("tiger@1", "a", "b", "c").source("near@1", "c", "d");
    router.stages.source("popular@1", "p", "q");
    return router;
  }

  private static RecommendRequest ofUser(String user) {
    return RecommendRequest.newBuilder().setUser(User.newBuilder().setId(user)).build();
  }

  private static RecordEventsRequest event(String user, String request, String id, String item) {
    return RecordEventsRequest.newBuilder()
        .setUserId(user)
        .setRequestId(request)
        .addEvents(
            Event.newBuilder()
                .setEventId(id)
                .setItemId(item)
                .setKind(EventKind.EVENT_KIND_CLICK)
                .setPosition(1))
        .build();
  }

  private List<LogRecord> logged() {
    return log.end() < log.start() ? List.of() : log.read(log.start(), Integer.MAX_VALUE);
  }

  private List<Optional<EventRecord>> read() {
    List<ByteBuffer> payloads = logged().stream().map(LogRecord::payload).toList();
    return EventCodec.read(payloads, users.keys(), PATIENCE);
  }

  private List<EventRecord> awaitRecords(int count) {
    await().atMost(PATIENCE).until(() -> logged().size() >= count);
    return read().stream().flatMap(Optional::stream).toList();
  }

  /** Feature values that no rounding leaves alone, and a score of them. */
  private static RankResponse scored(RankRequest request) {
    RankResponse.Builder response =
        RankResponse.newBuilder()
            .setScoreKind(ScoreKind.SCORE_KIND_RELEVANCE)
            .addBundles("dense@7");
    for (RankCandidate candidate : request.getCandidatesList()) {
      double value = Math.sqrt(candidate.getItemId().charAt(0));
      response.addCandidates(
          RankedCandidate.newBuilder()
              .setItemId(candidate.getItemId())
              .setScore(value / 3)
              .addParts(ScorePart.newBuilder().setName("dense").setValue(value))
              .addParts(ScorePart.newBuilder().setName("type").setValue(0).setIsDefault(true)));
    }
    return response.build();
  }

  @Test
  void recommend_pages_areLoggedAsTheyWereServed() {
    RunningRouter router = router(100, FEED + RANKED);
    List<RankResponse> answers = new ArrayList<>();
    router.stages.rankers.put(
        "ranker@3",
        request -> {
          RankResponse answer = scored(request);
          answers.add(answer);
          return answer;
        });
    router.stub().recordEvents(event("u", "", "e1", "x"));
    awaitRecords(1);
    RecommendRequest.Builder request = ofUser("u").toBuilder();
    ResultPage first = router.stub().recommend(request.build()).getPage();
    request.getOptionsBuilder().setPageToken(first.getNextPageToken());
    ResultPage second = router.stub().recommend(request.build()).getPage();

    List<EventRecord> records = awaitRecords(3);
    List<ResultPage> pages = List.of(first, second);
    RankRequest asked = router.stages.rankings.getFirst();
    for (int p = 0; p < 2; p++) {
      Impression logged = records.get(1 + p).getImpression();
      ResultPage page = pages.get(p);
      assertThat(logged.getRequestId()).isEqualTo(first.getRequestId());
      assertThat(logged.getUserId()).isEqualTo("u");
      assertThat(EventCodec.instant(logged.getTime())).isEqualTo(router.now.get());
      assertThat(logged.getRoute()).isEqualTo("feed");
      assertThat(logged.getRanker()).isEqualTo("ranker@3");
      assertThat(logged.getBundlesList())
          .containsExactlyElementsOf(
              page.getBundlesList().stream().map(b -> b.getName() + "@" + b.getVersion()).toList())
          .contains("dense@7", "tiger@1");
      assertThat(logged.getCatalogOffset()).isEqualTo(page.getCatalogOffset());
      assertThat(logged.getHistoryList()).isEqualTo(asked.getHistoryList()).containsExactly("x");
      assertThat(logged.getItemsList())
          .extracting(ShownItem::getItemId)
          .containsExactlyElementsOf(
              page.getItemsList().stream().map(ResultItem::getItemId).toList());
      for (int i = 0; i < 2; i++) {
        ShownItem item = logged.getItems(i);
        assertThat(item.getPosition()).isEqualTo(2 * p + i);
        assertThat(item.getScore()).isEqualTo(page.getItems(i).getScore());
        assertThat(item.getScoreKind()).isEqualTo(page.getItems(i).getScoreKind());
        assertThat(item.getPropensity()).isEqualTo(1);
        assertServed(item, asked, answers.getFirst());
      }
    }
    assertThat(telemetry.counts("espalier.router.events.logged").values()).containsExactly(3L);
  }

  /** What the ranker was given of an item, and what it made of it, bit by bit. */
  private static void assertServed(ShownItem item, RankRequest asked, RankResponse answer) {
    for (int i = 0; i < asked.getCandidatesCount(); i++) {
      if (!asked.getCandidates(i).getItemId().equals(item.getItemId())) {
        continue;
      }
      List<SourceScore> given =
          item.getSourcesList().stream()
              .map(
                  source ->
                      SourceScore.newBuilder()
                          .setSource(source.getSource())
                          .setScore(source.getScore())
                          .setBestScore(source.getBestScore())
                          .setByRewrite(!source.getRewrite().isEmpty())
                          .build())
              .toList();
      assertThat(given).isEqualTo(asked.getCandidates(i).getSourceScoresList()).isNotEmpty();
      List<ScorePart> served =
          item.getFeaturesList().stream().limit(2).map(EventLogTest::part).toList();
      assertThat(served).isEqualTo(answer.getCandidates(i).getPartsList());
      assertThat(item.getFeatures(2).getName()).isEqualTo("ranker");
      assertThat(item.getFeatures(2).getValue()).isEqualTo(answer.getCandidates(i).getScore());
      return;
    }
    throw new AssertionError(item.getItemId() + ": not among the candidates");
  }

  private static ScorePart part(ServedFeature feature) {
    return ScorePart.newBuilder()
        .setName(feature.getName())
        .setValue(feature.getValue())
        .setIsDefault(feature.getIsDefault())
        .build();
  }

  @Test
  void search_anonymous_isLoggedOpenWithItsRewrites() throws Exception {
    RunningRouter router =
        router(
            100,
            """
            name: search
            kind: search
            deadline: 60s
            rewriters: [{bundle: beque@1}]
            sources: [{bundle: text@1, use_rewrites: true}]
            """
                + RANKED);
    router.stages.source("text@1", "a", "b").rewriter("beque@1", "other words");
    router.stages.rankers.put("ranker@3", EventLogTest::scored);
    ResultPage page =
        router.stub().search(SearchRequest.newBuilder().setQuery("shoes").build()).getPage();

    Impression logged = awaitRecords(1).getFirst().getImpression();
    assertThat(logged.getUserId()).isEmpty();
    assertThat(logged.getQuery()).isEqualTo("shoes");
    assertThat(logged.getRequestId()).isEqualTo(page.getRequestId());
    assertThat(logged.getRewritesList())
        .isEqualTo(router.stages.rankings.getFirst().getRewritesList())
        .containsExactly("other words");
    assertThat(logged.getItems(0).getSourcesList())
        .extracting(source -> source.getRewrite())
        .containsExactly("", "other words");
  }

  private static final String DRAWN =
      """
      name: feed
      kind: feed
      deadline: 60s
      sources:
        - {bundle: tiger@1, k: 3, decoding: {sampling: {temperature: 2}}}
      """;

  /** Five legal items of these scores, of which three were drawn in an order of their own. */
  private static RetrieveResponse draws(boolean exhaustive) {
    double[] scores = {-2.5, -1, -4, -3, -2};
    RetrieveResponse.Builder response =
        RetrieveResponse.newBuilder().setScoreKind(ScoreKind.SCORE_KIND_LOG_PROBABILITY);
    for (int i = 0; i < 3; i++) {
      response.addCandidates(
          Candidate.newBuilder().setItemId("d" + i).setScore(scores[i]).addSemanticId(i));
    }
    if (exhaustive) {
      response.setLogMass(Math.log(Arrays.stream(scores).map(s -> Math.exp(s / 2)).sum()));
    }
    return response.build();
  }

  private List<ShownItem> shown(String route, boolean exhaustive) {
    RunningRouter router = router(100, route);
    router.stages.sources.put("tiger@1", request -> draws(exhaustive));
    router.stages.reversingRanker("ranker@3");
    int before = logged().size();
    router.stub().recommend(RecommendRequest.getDefaultInstance());
    return awaitRecords(before + 1).getLast().getImpression().getItemsList();
  }

  @Test
  void recommend_drawsOfOneSource_haveTheirProbability() {
    List<ShownItem> items = shown(DRAWN, true);
    double[] weights = {
      Math.exp(-2.5 / 2), Math.exp(-1 / 2.0), Math.exp(-4 / 2.0), Math.exp(-3 / 2.0), Math.exp(-1)
    };
    double left = Arrays.stream(weights).sum();
    for (int i = 0; i < 3; i++) {
      assertThat(items.get(i).getItemId()).isEqualTo("d" + i);
      assertThat(items.get(i).getPropensity()).isCloseTo(weights[i] / left, within(1e-12));
      left -= weights[i];
    }
  }

  @Test
  void recommend_drawsOfWhichNotAllIsKnown_haveNone() {
    Map<String, Boolean> cases = new HashMap<>();
    cases.put(DRAWN, false);
    cases.put(DRAWN + RANKED, true);
    cases.put(DRAWN + "rules: [{boost: {ids: [d1], factor: 9}}]\n", true);
    cases.put(DRAWN.replace("k: 3", "k: 2") + "  - {bundle: popular@1}\n", true);
    cases.forEach(
        (route, exhaustive) ->
            assertThat(shown(route, exhaustive))
                .as(route)
                .isNotEmpty()
                .noneMatch(ShownItem::hasPropensity));
    // The route's own seed draws the same each time.
    assertThat(shown(DRAWN.replace("temperature: 2", "temperature: 2, seed: 5"), false))
        .allMatch(item -> item.getPropensity() == 1);
  }

  @Test
  void offer_logIsAway_neverHoldsUpAnAnswerAndDropsAreCounted() {
    RunningRouter router = router(10, FEED);
    log.fail(true);
    for (int i = 0; i < 50; i++) {
      assertThat(router.stub().recommend(ofUser("u" + i)).getPage().getItemsList()).isNotEmpty();
    }
    long dropped = dropped("queue_full");
    // Those that the queue holds, and at most one batch that it held before.
    assertThat(dropped).isBetween(20L, 40L);
    assertThat(logged()).isEmpty();
    log.fail(false);
    List<EventRecord> records = awaitRecords(50 - (int) dropped);

    assertThat(records).hasSize(50 - (int) dropped);
    assertThat(records).extracting(r -> r.getImpression().getRequestId()).doesNotHaveDuplicates();
    router.stub().recommend(ofUser("later"));
    assertThat(awaitRecords(51 - (int) dropped).getLast().getImpression().getUserId())
        .isEqualTo("later");
    assertThat(dropped("queue_full")).isEqualTo(dropped);
  }

  private long dropped(String reason) {
    return telemetry.counts("espalier.router.events.dropped").getOrDefault("[" + reason + "]", -1L);
  }

  @Test
  void close_logIsAway_givesUpAndCounts() {
    RunningRouter router = router(10, FEED);
    EventJournal journal =
        EventJournal.start(
            () -> log,
            users.keys(),
            10,
            Duration.ofMillis(200),
            telemetry.telemetry().getMeter("other"));
    log.fail(true);
    for (int i = 0; i < 5; i++) {
      journal.offer("u", router.now.get(), EventRecord::getDefaultInstance);
    }
    journal.close();
    journal.offer("u", router.now.get(), EventRecord::getDefaultInstance);
    assertThat(logged()).isEmpty();
  }

  @Test
  void append_fateNotKnown_isWrittenAgainAndNothingIsLost() {
    RunningRouter router = router(10, FEED);
    log.doubt();
    String id = router.stub().recommend(ofUser("u")).getPage().getRequestId();
    List<EventRecord> records = awaitRecords(2);
    assertThat(records).extracting(r -> r.getImpression().getRequestId()).containsExactly(id, id);
  }

  @Test
  void recordEvents_interactions_areLoggedWithTheirAnswer() {
    RunningRouter router = router(100, FEED);
    router.stub().recordEvents(event("u", "answer", "e1", "a"));
    router.stub().recordEvents(event("u", "answer", "e1", "a"));
    List<EventRecord> records = awaitRecords(2);
    Interaction logged = records.getFirst().getInteraction();
    assertThat(logged.getRequestId()).isEqualTo("answer");
    assertThat(logged.getUserId()).isEqualTo("u");
    assertThat(logged.getEvent().getEventId()).isEqualTo("e1");
    assertThat(logged.getEvent().getItemId()).isEqualTo("a");
    assertThat(logged.getEvent().getPosition()).isEqualTo(1);
    assertThat(EventCodec.instant(logged.getEvent().getTime())).isEqualTo(router.now.get());
  }

  @Test
  void eraseUser_log_saysNothingOfHimAnyMoreAndTakesNothingOfBefore() {
    RunningRouter router = router(100, FEED);
    for (String user : List.of("user-who-goes", "user-who-stays")) {
      router.stub().recordEvents(event(user, "", "event-of-" + user, "item-of-" + user));
      router.stub().recommend(ofUser(user));
    }
    assertThat(awaitRecords(4)).hasSize(4);
    // A page that is on its way when he goes.
    log.fail(true);
    router.stub().recommend(ofUser("user-who-goes"));
    router.stub().eraseUser(EraseUserRequest.newBuilder().setUserId("user-who-goes").build());
    RecordEventsRequest.Builder late = event("user-who-goes", "", "late", "late").toBuilder();
    late.getEventsBuilder(0).setTime(EventCodec.timestamp(router.now.get().minusSeconds(9)));
    assertThat(router.stub().recordEvents(late.build()).getErased()).isEqualTo(1);
    log.fail(false);
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(dropped("erased")).isGreaterThanOrEqualTo(1));
    router.now.updateAndGet(now -> now.plusSeconds(60));
    router.stub().recommend(ofUser("user-who-goes"));
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(read()).filteredOn(Optional::isPresent).hasSize(3));

    for (LogRecord record : logged()) {
      assertThat(StandardCharsets.ISO_8859_1.decode(record.payload()).toString())
          .doesNotContain("user-who-goes", "event-of-", "item-of-", "user-who-stays");
    }
    List<EventRecord> left = read().stream().flatMap(Optional::stream).toList();
    assertThat(left.subList(0, 2)).allMatch(record -> record.toString().contains("user-who-stays"));
    // What he does afterwards is a new user's.
    assertThat(left).hasSize(3);
    assertThat(left.getLast().getImpression().getUserId()).isEqualTo("user-who-goes");
    assertThat(left.getLast().getImpression().getHistoryList()).isEmpty();
  }

  @Test
  void recommend_afterErasureWhileInProgress_keepsNoListOfHis() {
    RunningRouter router = router(100, FEED);
    router.stub().recordEvents(event("u", "", "e1", "x"));
    // The source answers only after the user was erased.
    router.stages.sources.put(
        "tiger@1",
        request -> {
          router.stub().eraseUser(EraseUserRequest.newBuilder().setUserId("u").build());
          return FakeStages.list(request, List.of("a", "b", "c", "d"));
        });
    ResultPage page = router.stub().recommend(ofUser("u")).getPage();
    RecommendRequest next =
        ofUser("u").toBuilder()
            .setOptions(ListOptions.newBuilder().setPageToken(page.getNextPageToken()))
            .build();
    assertThatThrownBy(() -> router.stub().recommend(next))
        .hasMessageContaining("page_token: expired");
  }
}

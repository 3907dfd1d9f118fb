package io.espalier.router;

import com.google.protobuf.Message;
import io.espalier.events.v1.Event;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.StageFact;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Prints what the router itself costs; asked for with {@code -Despalier.cost=true}. */
@EnabledIfSystemProperty(named = "espalier.cost", matches = "true")
class RouterCostTest {
  private static final int ROUNDS = 5;

  private interface Check {
    void run(Message message) throws Exception;
  }

  @Test
  void validation_eachRequest_processorTimeIsPrinted() throws Exception {
    Map<String, Message> requests = new LinkedHashMap<>();
    SearchRequest.Builder search = SearchRequest.newBuilder().setQuery("red shoes");
    search.getUserBuilder().setId("u");
    search.getOptionsBuilder().setPageSize(20);
    requests.put("search", search.build());
    requests.put("feed, 50 inline events", history(50));
    RecommendRequest.Builder filtered = RecommendRequest.newBuilder();
    for (int i = 0; i < 10; i++) {
      filtered
          .getOptionsBuilder()
          .getFilterBuilder()
          .getAllOfBuilder()
          .addFiltersBuilder()
          .getEqualsBuilder()
          .setAttribute("brand")
          .getValueBuilder()
          .setText("b" + i);
    }
    requests.put("feed, filter of 11 nodes", filtered.build());
    long start = System.nanoTime();
    RequestValidator validator = new RequestValidator();
    System.out.printf("rules: start %.0f ms%n", (System.nanoTime() - start) * 1e-6);
    for (var request : requests.entrySet()) {
      for (int round = 0; round < ROUNDS; round++) {
        System.out.printf(
            "%s: %.1f µs%n", request.getKey(), micros(validator::check, request.getValue()));
      }
    }
  }

  private static double micros(Check check, Message message) throws Exception {
    int times = 5_000;
    var threads = ManagementFactory.getThreadMXBean();
    long start = threads.getCurrentThreadCpuTime();
    for (int i = 0; i < times; i++) {
      check.run(message);
    }
    return (threads.getCurrentThreadCpuTime() - start) * 1e-3 / times;
  }

  private static RecommendRequest history(int events) {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    for (int i = 0; i < events; i++) {
      request.getUserBuilder().addRecentEvents(Event.newBuilder().setItemId("seen" + i));
    }
    return request.build();
  }

  @Test
  void selfTime_feedAndSearch_percentilesArePrinted() {
    try (RunningRouter router =
        new RunningRouter(
            """
            name: feed
            kind: feed
            sources: [{bundle: a@1, k: 200}, {bundle: b@1, k: 200}, {bundle: c@1, k: 200}]
            """,
            """
            name: search
            kind: search
            rewriters: [{bundle: r@1}]
            sources: [{bundle: a@1, k: 200, use_rewrites: true}, {bundle: b@1, k: 200}]
            ranking: {bundle: k@1, candidates: 400}
            merge: {method: ranker}
            """)) {
      router
          .stages
          .source("a@1", FakeStages.items("i", 200))
          .source("b@1", FakeStages.items("i", 200))
          .source("c@1", FakeStages.items("j", 200))
          .rewriter("r@1", "one", "two", "three")
          .reversingRanker("k@1");
      RecommendRequest feed = history(20);
      SearchRequest search = SearchRequest.newBuilder().setQuery("shoes").build();
      for (int round = 0; round < ROUNDS; round++) {
        print("feed, 3 sources of 200", () -> router.stub().recommend(feed).getPage(), router);
        print(
            "search, 5 lists of 200, 200 candidates ranked",
            () -> router.stub().search(search).getPage(),
            router);
      }
    }
  }

  private static void print(String what, Supplier<ResultPage> call, RunningRouter router) {
    long[] micros = new long[1_000];
    for (int i = 0; i < micros.length; i++) {
      micros[i] =
          call.get().getStagesList().stream()
              .filter(fact -> fact.getStage().equals("router"))
              .mapToLong(StageFact::getDurationMicros)
              .sum();
    }
    router.stages.retrievals.clear();
    router.stages.rankings.clear();
    Arrays.sort(micros);
    System.out.printf(
        "%s: self-time p50 %d µs, p90 %d µs, p99 %d µs%n",
        what, micros[500], micros[900], micros[990]);
  }
}

package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.User;
import io.espalier.server.RequestException;
import io.espalier.testing.CountingTelemetry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Copies of requests beside them: whatever becomes of a copy, the answer is the same. */
class ShadowTest {
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final String COPIES = "espalier.router.shadow.copies";

  private final CountingTelemetry telemetry = new CountingTelemetry();
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private RunningRouter router(String shadow) {
    RunningRouter router =
        new RunningRouter(
            builder -> builder.openTelemetry(telemetry.telemetry()),
            """
            name: feed
            kind: feed
            deadline: 60s
            mask_seen: false
            sources: [{bundle: source@1, budget: {share: 1}}]
            """
                + shadow);
    open.add(router);
    router.stages.source("source@1", FakeStages.items("a", 10));
    router.stages.source("source@2", FakeStages.items("a", 10));
    return router;
  }

  private static String shadow(String more) {
    return "shadow: {share: 1, live: 1000, override: {sources: [{bundle: source@2, budget: {share:"
        + " 1}}]}"
        + more
        + "}\n";
  }

  private static ResultPage feed(RunningRouter router) {
    return router
        .stub()
        .recommend(
            RecommendRequest.newBuilder()
                .setUser(User.newBuilder().setId("u"))
                .setOptions(ListOptions.newBuilder().setPageSize(5))
                .build())
        .getPage();
  }

  /** A page without what differs from request to request. */
  private static ResultPage same(ResultPage page) {
    return page.toBuilder().clearRequestId().clearNextPageToken().clearStages().build();
  }

  private void awaitCopies(String outcome, long count) {
    await()
        .atMost(PATIENCE)
        .until(
            () ->
                copies().entrySet().stream()
                        .filter(entry -> entry.getKey().contains(outcome))
                        .mapToLong(Map.Entry::getValue)
                        .sum()
                    >= count);
  }

  private Map<String, Long> copies() {
    return telemetry.counts(COPIES);
  }

  @Test
  void answer_withEveryKindOfShadow_isTheAnswerWithout() {
    ResultPage expected = same(feed(router("")));
    RunningRouter shadowed = router(shadow(""));
    assertThat(same(feed(shadowed))).isEqualTo(expected);
    awaitCopies("compared", 1);

    shadowed.stages.source("source@2", "other", "items");
    assertThat(same(feed(shadowed))).isEqualTo(expected);
    awaitCopies("compared", 2);

    shadowed.stages.sources.put(
        "source@2", FakeStages.failing(RequestException.unavailable("gone")));
    assertThat(same(feed(shadowed))).isEqualTo(expected);
    awaitCopies("failed", 1);

    shadowed.stages.sources.remove("source@2");
    assertThat(same(feed(shadowed))).isEqualTo(expected);
    awaitCopies("failed", 2);
    assertThat(copies().keySet()).noneMatch(key -> key.contains("dropped"));
  }

  /** The shadow never answers; the requests do not know. */
  @Test
  void answer_shadowThatHangs_doesNotWaitAndDropsFurtherCopies() {
    RunningRouter router = router(shadow(", in_flight: 3"));
    router.stages.sources.put("source@2", router.stages.never());

    for (int n = 0; n < 20; n++) {
      assertThat(feed(router).getItemsList()).hasSize(5);
    }

    awaitCopies("dropped", 17);
    await().atMost(PATIENCE).until(() -> router.stages.waiting.get() == 3);
  }

  @Test
  void offer_moreLiveRequestsThanAllowed_dropsCopies() throws Exception {
    RunningRouter router = router(shadow("").replace("live: 1000", "live: 1"));
    CountDownLatch held = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(4);
    router.stages.sources.put(
        "source@1",
        request -> {
          begun.countDown();
          try {
            held.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          return FakeStages.list(request, List.of("x"));
        });
    try (ExecutorService pool = Executors.newFixedThreadPool(4)) {
      List<Future<ResultPage>> pages = new ArrayList<>();
      for (int n = 0; n < 4; n++) {
        pages.add(pool.submit(() -> feed(router)));
      }
      assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
      held.countDown();
      for (Future<ResultPage> page : pages) {
        assertThat(page.get().getItemsList())
            .extracting(ResultItem::getItemId)
            .containsExactly("x");
      }
    }
    // The first began alone, the others beside it.
    awaitCopies("dropped", 3);
  }

  /** A stage that refuses for load is not asked again at once. */
  @Test
  void offer_stageThatRefusesForLoad_dropsCopiesForAWhile() {
    RunningRouter router = router(shadow(""));
    router.stages.sources.put(
        "source@2", FakeStages.failing(RequestException.resourceExhausted("full")));
    feed(router);
    awaitCopies("failed", 1);

    feed(router);

    awaitCopies("dropped", 1);
    assertThat(router.stages.retrievals)
        .extracting(RetrieveRequest::getBundleVersion)
        .containsExactly(1, 2, 1);
  }

  /** The copy is asked with what the request was asked with, user's history included. */
  @Test
  void copy_asksTheShadowTheSame() {
    RunningRouter router = router(shadow(""));

    feed(router);

    awaitCopies("compared", 1);
    RetrieveRequest live = router.stages.retrievals.get(0);
    RetrieveRequest copy = router.stages.retrievals.get(1);
    assertThat(copy.toBuilder().setBundleVersion(1).build()).isEqualTo(live);
    assertThat(copy.getBundleVersion()).isEqualTo(2);
  }

  @Test
  void bundles_ofShadows_mustBeReadyToo() {
    assertThat(
            RouteFile.parse(
                    "name: f\nkind: feed\nsources: [{bundle: source@1}]\n" + shadow(""), "f")
                .bundles())
        .hasToString("[source@1, source@2]");
  }
}

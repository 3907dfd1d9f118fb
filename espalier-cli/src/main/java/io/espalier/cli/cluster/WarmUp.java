package io.espalier.cli.cluster;

import io.espalier.events.v1.Event;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.SearchRequest;
import io.espalier.stores.catalog.CatalogItem;
import io.grpc.Channel;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Requests of the deployment's own items, asked before anybody is let in: a virtual machine that
 * has compiled nothing yet misses the budgets of its first requests.
 */
final class WarmUp {
  private static final Logger log = LoggerFactory.getLogger(WarmUp.class);

  private static final int ROUNDS = 24;
  // So many in a row that answered in full, and the next callers will be too.
  private static final int GOOD_ROUNDS = 3;
  private static final Duration LIMIT = Duration.ofSeconds(4);
  private static final int HISTORY = 8;
  private static final Set<DegradationReason> OF_TIME =
      Set.of(
          DegradationReason.DEGRADATION_REASON_LATE, DegradationReason.DEGRADATION_REASON_LADDER);

  private final RouterServiceBlockingStub router;
  private final Deployment deployment;

  WarmUp(Channel router, Deployment deployment) {
    this.router = RouterServiceGrpc.newBlockingStub(router);
    this.deployment = deployment;
  }

  /**
   * Asks every route in turn until some rounds were answered in full, with no stage late, or the
   * rounds or the time are used up.
   */
  void run() {
    List<CatalogItem> items = deployment.data().items();
    if (items.isEmpty()) {
      return;
    }
    long end = System.nanoTime() + LIMIT.toNanos();
    try {
      int good = 0;
      for (int round = 0; round < ROUNDS && good < GOOD_ROUNDS; round++) {
        boolean full = true;
        for (RouteText route : deployment.routes()) {
          if (System.nanoTime() > end) {
            return;
          }
          full &= isWhole(ask(route, items, round));
        }
        good = full ? good + 1 : 0;
      }
    } catch (StatusRuntimeException e) {
      // What fails here fails for callers too, who are told why.
      log.warn("warm-up ended early: {}", e.getStatus());
    }
  }

  private static boolean isWhole(ResultPage page) {
    return page.getDegradationsList().stream().noneMatch(was -> OF_TIME.contains(was.getReason()));
  }

  private ResultPage ask(RouteText route, List<CatalogItem> items, int round) {
    RouterServiceBlockingStub patient =
        router.withDeadlineAfter(LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    ListOptions options = ListOptions.newBuilder().setRoute(route.name()).build();
    if (route.kind().equals("search")) {
      String title = items.get(round % items.size()).title();
      String query = title.isBlank() ? "item" : title.substring(0, Math.min(40, title.length()));
      return patient
          .search(SearchRequest.newBuilder().setQuery(query).setOptions(options).build())
          .getPage();
    } else {
      RecommendRequest.Builder request = RecommendRequest.newBuilder().setOptions(options);
      for (int i = 0; i < HISTORY; i++) {
        String item = items.get((round * HISTORY + i) % items.size()).id();
        request.getUserBuilder().addRecentEvents(Event.newBuilder().setItemId(item));
      }
      return patient.recommend(request.build()).getPage();
    }
  }
}

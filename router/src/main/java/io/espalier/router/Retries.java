package io.espalier.router;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The one place where calls are made again: from the router to the stages. Neither clients of a
 * model nor channels do it, so that a request costs a stage two calls at most.
 */
final class Retries {
  private final RouterMetrics metrics;
  // By the route as it is configured: an arm that sets its own retries has its own budget.
  private final Map<Key, RetryBudget> budgets = new ConcurrentHashMap<>();

  private record Key(String route, Route.Retry retry) {}

  Retries(RouterMetrics metrics) {
    this.metrics = metrics;
  }

  /**
   * The calls of one request.
   *
   * @param load of the server as the request came
   */
  Attempts attempts(Route route, double load) {
    RetryBudget budget =
        budgets.computeIfAbsent(
            new Key(route.name(), route.retry()), key -> new RetryBudget(key.retry()));
    Route.Hedge hedge = route.hedge();
    return new Attempts(
        route.name(), budget, hedge != null && load < hedge.load() ? hedge : null, metrics);
  }
}

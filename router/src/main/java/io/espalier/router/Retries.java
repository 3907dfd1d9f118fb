package io.espalier.router;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The one place where calls to the stages are made again, so that a request costs a stage two at
 * most: channels do not do it. Beneath, a model call that a lost server had goes to another one
 * once ({@code docs/decisions/0026}).
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

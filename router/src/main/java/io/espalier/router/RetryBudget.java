package io.espalier.router;

/**
 * How many second calls a route may make: a share of its calls and, once in a while, a burst. When
 * a stage fails, tries cannot become the load that keeps it down.
 */
final class RetryBudget {
  private final double share;
  private final double most;
  private double tokens;

  RetryBudget(Route.Retry retry) {
    this.share = retry.share();
    this.most = share == 0 ? 0 : Math.max(1, retry.burst());
    this.tokens = most;
  }

  /** A first call is made. */
  synchronized void called() {
    tokens = Math.min(most, tokens + share);
  }

  /** Takes a second call; false when there is none left. */
  synchronized boolean take() {
    if (tokens < 1) {
      return false;
    }
    tokens--;
    return true;
  }
}

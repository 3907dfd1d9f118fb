package io.espalier.inference.repository;

import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;

/**
 * How waiting calls are joined into one run: Triton's dynamic batching.
 *
 * @param preferredSizes rows of a run that is started at once, without waiting for more
 * @param maxDelayNanos how long the oldest call may wait for a preferred size
 * @param priorityLevels number of priorities; 0 where the model does not say
 * @param defaultPolicy the queue of every priority that has no policy of its own
 * @param policies queue policies by priority, 0 being the first to be served
 */
public record Batching(
    NavigableSet<Integer> preferredSizes,
    long maxDelayNanos,
    int priorityLevels,
    QueuePolicy defaultPolicy,
    Map<Integer, QueuePolicy> policies) {
  public Batching {
    preferredSizes = new TreeSet<>(preferredSizes);
    policies = Map.copyOf(policies);
  }

  /** The queue policy of a priority. */
  public QueuePolicy policy(int priority) {
    return policies.getOrDefault(priority, defaultPolicy);
  }
}

package io.espalier.router;

import io.grpc.Channel;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;

/**
 * Each replica of each stage, by its address, as they are when it is asked: what must have a bundle
 * ready before a route may name it.
 *
 * @param rewrite of the rewrite stage
 * @param retrieval of the retrieval stage
 * @param ranking of the ranking stage
 */
public record StageReplicas(
    Supplier<Map<String, Channel>> rewrite,
    Supplier<Map<String, Channel>> retrieval,
    Supplier<Map<String, Channel>> ranking) {
  public StageReplicas {
    Objects.requireNonNull(rewrite, "rewrite");
    Objects.requireNonNull(retrieval, "retrieval");
    Objects.requireNonNull(ranking, "ranking");
  }

  /** One replica of each stage. */
  static StageReplicas of(StageChannels channels) {
    return new StageReplicas(
        () -> Map.of("rewrite", channels.rewrite()),
        () -> Map.of("retrieval", channels.retrieval()),
        () -> Map.of("ranking", channels.ranking()));
  }
}

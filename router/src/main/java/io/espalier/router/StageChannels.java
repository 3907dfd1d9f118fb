package io.espalier.router;

import io.grpc.Channel;
import java.util.Objects;

/**
 * Where the stages are: one channel each, in process or over TCP; the same one may serve several.
 *
 * @param rewrite to a {@code RewriteService}
 * @param retrieval to a {@code RetrievalService}
 * @param ranking to a {@code RankingService}
 */
public record StageChannels(Channel rewrite, Channel retrieval, Channel ranking) {
  public StageChannels {
    Objects.requireNonNull(rewrite, "rewrite");
    Objects.requireNonNull(retrieval, "retrieval");
    Objects.requireNonNull(ranking, "ranking");
  }
}

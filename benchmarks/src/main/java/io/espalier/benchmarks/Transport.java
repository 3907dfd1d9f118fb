package io.espalier.benchmarks;

import io.espalier.server.EspalierServer;
import java.util.UUID;

/** How a benchmark's servers are reached. */
public enum Transport {
  IN_PROCESS,
  LOOPBACK;

  EspalierServer build(EspalierServer.Builder builder) {
    return this == LOOPBACK
        ? builder.build()
        : builder.buildInProcess(UUID.randomUUID().toString());
  }
}

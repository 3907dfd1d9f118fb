package io.espalier.cli.cluster;

import io.espalier.server.ServerConfig;
import java.util.Locale;

/**
 * The servers of a cluster, each with the port and the largest request that it takes unless told
 * otherwise.
 */
public enum Stage {
  // Room for a filter of 100,000 ids.
  ROUTER(7700, 16),
  // What the router takes, and what it adds.
  RETRIEVAL(7701, 24),
  RANKING(7702, 4),
  REWRITE(7703, 4),
  CATALOG(7704, 4),
  // Room for a batch of images, or for a snapshot's model that a client brings along.
  INFERENCE(7705, 64);

  private final int port;
  private final int maxMebibytes;

  Stage(int port, int maxMebibytes) {
    this.port = port;
    this.maxMebibytes = maxMebibytes;
  }

  /** How it runs unless told otherwise. */
  public ServerConfig config() {
    return ServerConfig.defaults().on("127.0.0.1", port).withMaxMessageBytes(maxMebibytes << 20);
  }

  /** The port that it takes unless told otherwise. */
  public int port() {
    return port;
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}

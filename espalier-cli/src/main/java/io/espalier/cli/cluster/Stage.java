package io.espalier.cli.cluster;

import java.util.Locale;

/** The servers of a cluster, each with the port that it takes unless told otherwise. */
public enum Stage {
  ROUTER(7700),
  RETRIEVAL(7701),
  RANKING(7702),
  REWRITE(7703),
  CATALOG(7704);

  private final int port;

  Stage(int port) {
    this.port = port;
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

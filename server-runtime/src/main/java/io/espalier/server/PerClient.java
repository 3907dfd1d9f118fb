package io.espalier.server;

/**
 * What one client may take of a server.
 *
 * @param connections open ones of one address; 0 for no limit
 * @param callsPerSecond of one identity, which is a web token's subject or else an address; 0 for
 *     no limit
 * @param burst calls that may come at once after a pause
 */
public record PerClient(int connections, double callsPerSecond, int burst) {
  public PerClient {
    if (connections < 0) {
      throw new IllegalArgumentException("connections: " + connections + " (expected: >= 0)");
    }
    if (!(callsPerSecond >= 0 && callsPerSecond <= 1e6)) {
      throw new IllegalArgumentException(
          "calls_per_second: " + callsPerSecond + " (expected: 0..1000000)");
    }
    if (burst < 1) {
      throw new IllegalArgumentException("burst: " + burst + " (expected: >= 1)");
    }
  }

  /** Many connections, no limit of calls. */
  public static PerClient defaults() {
    return new PerClient(1_000, 0, 100);
  }
}

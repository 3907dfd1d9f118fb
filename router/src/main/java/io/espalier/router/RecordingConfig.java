package io.espalier.router;

/**
 * What a router records of its requests.
 *
 * @param folder where; empty: nothing is recorded
 * @param share of the requests, above 0 to 1
 * @param maxBytes of all files together; the oldest go
 */
public record RecordingConfig(String folder, double share, long maxBytes) {
  private static final long LEAST_BYTES = 1 << 16;

  public RecordingConfig {
    if (!(share > 0) || share > 1) {
      throw new IllegalArgumentException("share: %s (expected: 0 < share <= 1)".formatted(share));
    }
    if (maxBytes < LEAST_BYTES) {
      throw new IllegalArgumentException(
          "max_bytes: %d (expected: >= %d)".formatted(maxBytes, LEAST_BYTES));
    }
  }

  /** Nothing; of 1 % of the requests up to 256 MiB where a folder is given. */
  public static RecordingConfig none() {
    return new RecordingConfig("", 0.01, 256L << 20);
  }
}

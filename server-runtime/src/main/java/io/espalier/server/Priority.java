package io.espalier.server;

import io.grpc.Context;
import io.grpc.Metadata;

/**
 * How urgent a call is beside others: 0, the default, is served first, and what is further from it
 * is refused first.
 *
 * <p>A caller says it in the header {@code x-espalier-priority}, and can thus only stand back.
 * Channels of {@link ClientChannels} hand it on, down to the queues of the models.
 */
public final class Priority {
  /** The least urgent. */
  public static final int LAST = 9;

  static final Context.Key<Integer> KEY = Context.key("espalier-priority");

  static final Metadata.Key<String> HEADER =
      Metadata.Key.of("x-espalier-priority", Metadata.ASCII_STRING_MARSHALLER);

  private Priority() {}

  /** The priority of the current call. */
  public static int current() {
    Integer priority = KEY.get();
    return priority == null ? 0 : priority;
  }

  /** Reads a header's value. */
  static int parse(String text) {
    if (text.length() == 1 && text.charAt(0) >= '0' && text.charAt(0) <= '0' + LAST) {
      return text.charAt(0) - '0';
    }
    throw RequestException.invalidArgument(
        "x-espalier-priority: %s (expected: 0..%d)"
            .formatted(text.substring(0, Math.min(text.length(), 20)), LAST));
  }
}

package io.espalier.server;

import io.grpc.Context;
import io.grpc.Metadata;

/**
 * On whose behalf a call is made: what quotas and fair shares go by.
 *
 * <p>Authentication that knows its callers puts the tenant into the call's context under {@link
 * #KEY}, and that stands. Where callers are not told apart the header {@code x-espalier-tenant}
 * counts instead. Channels of {@link ClientChannels} hand the tenant on.
 */
public final class Tenant {
  /** The tenant of the current call; not set, or empty, where nobody said. */
  public static final Context.Key<String> KEY = Context.key("espalier-tenant");

  static final Metadata.Key<String> HEADER =
      Metadata.Key.of("x-espalier-tenant", Metadata.ASCII_STRING_MARSHALLER);

  static final int MAX_LENGTH = 128;

  private Tenant() {}

  /** The tenant of the current call; empty where nobody said. */
  public static String current() {
    String tenant = KEY.get();
    return tenant == null ? "" : tenant;
  }
}

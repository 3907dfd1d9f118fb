package io.espalier.server;

import com.google.common.hash.Hashing;
import io.grpc.CallOptions;
import io.grpc.stub.AbstractStub;
import java.nio.charset.StandardCharsets;

/**
 * Which replica a call would rather go to: one key's calls go to one replica for as long as it
 * answers, over a channel that was opened for that; others pay no heed.
 */
public final class Affinity {
  static final CallOptions.Key<Long> KEY = CallOptions.Key.create("espalier-affinity");

  private Affinity() {}

  /** The stub for calls that belong together, such as a user's; an empty key binds nothing. */
  public static <S extends AbstractStub<S>> S with(S stub, String key) {
    return key.isEmpty() ? stub : stub.withOption(KEY, hash(key));
  }

  /** The same on every router and after every restart. */
  static long hash(String key) {
    return Hashing.murmur3_128().hashString(key, StandardCharsets.UTF_8).asLong();
  }
}

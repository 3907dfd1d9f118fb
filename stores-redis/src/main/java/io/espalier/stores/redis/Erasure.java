package io.espalier.stores.redis;

import io.espalier.stores.users.UserHash;
import io.lettuce.core.ScriptOutputType;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.concurrent.Future;

/** What is done on the server when a user is erased, in one step of the server's. */
final class Erasure {
  private static final String SCRIPT = Call.script("erase.lua");

  private Erasure() {}

  static void run(Call call, String user, Instant at) {
    Future<Long> erased =
        call.start(
            commands ->
                commands.eval(
                    SCRIPT,
                    ScriptOutputType.INTEGER,
                    UserPlaces.ofAll(user),
                    EventCodec.time(at),
                    UserPlaces.BY_ID.getBytes(StandardCharsets.US_ASCII),
                    UserHash.of(user).getBytes(StandardCharsets.US_ASCII)));
    call.get(erased);
  }
}

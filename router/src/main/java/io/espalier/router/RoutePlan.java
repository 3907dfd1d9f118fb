package io.espalier.router;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;

/**
 * A route and its A/B arms.
 *
 * <p>An arm is chosen by a hash of the salt and the user's id: the same user gets the same arm on
 * every router and after every restart, and routes with different salts are split independently.
 *
 * @param base the route of the file itself
 * @param salt what user ids are hashed with
 * @param arms one or more; a route without arms has one without a name
 */
record RoutePlan(Route base, String salt, List<Arm> arms) {
  RoutePlan {
    arms = List.copyOf(arms);
  }

  /** One arm: its name, its weight among the arms, and its route. */
  record Arm(String name, double weight, Route route) {}

  String name() {
    return base.name();
  }

  /** The user's arm; the first one for a user without an id. */
  Arm arm(String userId) {
    if (userId.isEmpty() || arms.size() == 1) {
      return arms.getFirst();
    }
    double total = arms.stream().mapToDouble(Arm::weight).sum();
    double point = fraction(salt, userId) * total;
    for (Arm arm : arms) {
      point -= arm.weight();
      if (point < 0) {
        return arm;
      }
    }
    return arms.getLast();
  }

  /** A number in [0, 1), uniform over user ids. */
  private static double fraction(String salt, String userId) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      sha.update(salt.getBytes(StandardCharsets.UTF_8));
      sha.update((byte) 0);
      byte[] hash = sha.digest(userId.getBytes(StandardCharsets.UTF_8));
      return (ByteBuffer.wrap(hash).getLong() >>> 11) * 0x1.0p-53;
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}

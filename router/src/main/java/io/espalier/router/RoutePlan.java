package io.espalier.router;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.bundles.BundleId;
import io.espalier.server.RequestException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A route, its A/B arms and its shadow.
 *
 * <p>An arm is chosen by a hash of the salt and the user's id: the same user gets the same arm on
 * every router and after every restart, and routes with different salts are split independently.
 *
 * @param base the route of the file itself
 * @param salt what user ids are hashed with
 * @param arms one or more; a route without arms has one without a name
 * @param shadow what a share of the requests is answered by beside; null for none
 * @param file the route as its file has it
 */
record RoutePlan(
    Route base, String salt, List<Arm> arms, @Nullable Shadow shadow, ObjectNode file) {
  RoutePlan {
    arms = List.copyOf(arms);
  }

  /** One arm: its name, its weight among the arms, and its route. */
  record Arm(String name, double weight, Route route) {}

  /**
   * What gets a copy of some requests; its answers are compared and thrown away.
   *
   * @param share of the requests, above 0 to 1
   * @param inFlight copies at one time; further ones are dropped
   * @param live requests in progress at the router above which copies are dropped
   */
  record Shadow(Route route, double share, int inFlight, int live) {}

  String name() {
    return base.name();
  }

  /** Every route that the plan can run. */
  List<Route> routes() {
    List<Route> routes = new ArrayList<>();
    arms.forEach(arm -> routes.add(arm.route()));
    if (shadow != null) {
      routes.add(shadow.route());
    }
    return routes;
  }

  /** Every bundle that the plan can ask. */
  Set<BundleId> bundles() {
    Set<BundleId> bundles = new TreeSet<>();
    routes().forEach(route -> bundles.addAll(route.bundles()));
    return bundles;
  }

  /** The arm that a request names, or that of its user. */
  Arm arm(Question question) {
    String name = question.options().getArm();
    if (name.isEmpty()) {
      return arm(question.user().getId());
    }
    return arms.stream()
        .filter(arm -> arm.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                RequestException.notFound(
                    "options.arm: %s (expected: one of %s)"
                        .formatted(name, arms.stream().map(Arm::name).toList())));
  }

  /** An arm's share of the users. */
  double share(Arm arm) {
    return arm.weight() / arms.stream().mapToDouble(Arm::weight).sum();
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

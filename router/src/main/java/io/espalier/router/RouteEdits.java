package io.espalier.router;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.bundles.BundleId;
import io.espalier.server.ConfigException;
import io.espalier.server.ConfigFile;
import io.espalier.server.RequestException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;

/**
 * Changes of route files: some files for others, and a canary's life. A canary is two arms: {@code
 * control}, the route as it is, and {@code canary}, the same with other bundle versions.
 */
final class RouteEdits {
  private static final String CONTROL = "control";
  private static final String CANARY = "canary";
  private static final List<String> LISTS = List.of("rewriters", "sources");

  private RouteEdits() {}

  /**
   * Puts routes in the place of those of the same names, or beside them, and takes some out.
   *
   * @param files as YAML, by where they are from
   */
  static UnaryOperator<List<RoutePlan>> replace(
      Map<String, String> files, Collection<String> removed) {
    List<RoutePlan> given = new ArrayList<>();
    files.forEach((source, yaml) -> given.add(parsed(() -> RouteFile.parse(yaml, source))));
    return plans -> {
      List<RoutePlan> after = new ArrayList<>(plans);
      for (String name : removed) {
        if (!after.removeIf(plan -> plan.name().equals(name))) {
          throw unknown(name, plans);
        }
      }
      after.removeIf(plan -> given.stream().anyMatch(other -> other.name().equals(plan.name())));
      after.addAll(given);
      return after;
    };
  }

  /**
   * Begins a canary, or changes the share of the one that runs.
   *
   * @param bundles in the place of those of the same names; empty for those of the one that runs
   */
  static UnaryOperator<List<RoutePlan>> start(
      String route, double share, Collection<BundleId> bundles) {
    if (!(share > 0) || share >= 1) {
      throw RequestException.invalidArgument(
          "share: %s (expected: 0 < share < 1)".formatted(share));
    }
    return plans ->
        edited(
            plans,
            route,
            file -> {
              boolean runs = isCanary(file);
              if (file.has("arms") && !runs) {
                throw RequestException.failedPrecondition(
                    "route %s: has arms (expected: none but %s and %s)"
                        .formatted(route, CONTROL, CANARY));
              }
              if (bundles.isEmpty() && !runs) {
                throw RequestException.invalidArgument(
                    "bundles: none (expected: at least one; route %s has no canary yet)"
                        .formatted(route));
              }
              ObjectNode after = file.deepCopy();
              after.remove("arms");
              ObjectNode override =
                  bundles.isEmpty()
                      ? (ObjectNode) canary(file).get("override").deepCopy()
                      : override(route, after, bundles);
              String salt =
                  bundles.isEmpty()
                      ? file.path("arms").path("salt").asText()
                      // The same users whatever the share, others for another canary.
                      : route + "/" + CANARY + "/" + new TreeSet<>(bundles);
              ObjectNode arms = after.putObject("arms");
              arms.put("salt", salt);
              ArrayNode list = arms.putArray("list");
              list.addObject().put("name", CONTROL).put("weight", 1 - share);
              list.addObject().put("name", CANARY).put("weight", share).set("override", override);
              return after;
            });
  }

  /** Makes the canary the route. */
  static UnaryOperator<List<RoutePlan>> promote(String route) {
    return plans ->
        edited(
            plans,
            route,
            file -> {
              requireCanary(route, file);
              ObjectNode override = (ObjectNode) canary(file).get("override");
              ObjectNode after = file.deepCopy();
              after.remove("arms");
              return ConfigFile.merge(after, override);
            });
  }

  /** Takes the canary away. */
  static UnaryOperator<List<RoutePlan>> abort(String route) {
    return plans ->
        edited(
            plans,
            route,
            file -> {
              requireCanary(route, file);
              ObjectNode after = file.deepCopy();
              after.remove("arms");
              return after;
            });
  }

  private static List<RoutePlan> edited(
      List<RoutePlan> plans, String route, UnaryOperator<ObjectNode> edit) {
    List<RoutePlan> after = new ArrayList<>();
    boolean found = false;
    for (RoutePlan plan : plans) {
      if (plan.name().equals(route)) {
        found = true;
        ObjectNode file = edit.apply(plan.file());
        after.add(parsed(() -> RouteFile.plan(file, "route " + route)));
      } else {
        after.add(plan);
      }
    }
    if (!found) {
      throw unknown(route, plans);
    }
    return after;
  }

  private interface Parser {
    RoutePlan parse();
  }

  private static RoutePlan parsed(Parser parser) {
    try {
      return parser.parse();
    } catch (ConfigException e) {
      throw RequestException.invalidArgument(String.valueOf(e.getMessage()));
    }
  }

  private static RequestException unknown(String route, List<RoutePlan> plans) {
    return RequestException.notFound(
        "route: %s (expected: one of %s)"
            .formatted(route, plans.stream().map(RoutePlan::name).sorted().toList()));
  }

  private static void requireCanary(String route, ObjectNode file) {
    if (!isCanary(file)) {
      throw RequestException.failedPrecondition(
          "route %s: has no canary (expected: one that runs)".formatted(route));
    }
  }

  private static boolean isCanary(ObjectNode file) {
    JsonNode list = file.path("arms").path("list");
    return list.size() == 2
        && list.path(0).path("name").asText().equals(CONTROL)
        && !list.path(0).has("override")
        && list.path(1).path("name").asText().equals(CANARY)
        && list.path(1).path("override").isObject();
  }

  private static JsonNode canary(ObjectNode file) {
    return file.path("arms").path("list").path(1);
  }

  /** What of a route differs when it asks other versions. */
  private static ObjectNode override(String route, ObjectNode file, Collection<BundleId> bundles) {
    Map<String, BundleId> wanted = new HashMap<>();
    for (BundleId bundle : bundles) {
      if (wanted.put(bundle.name(), bundle) != null) {
        throw RequestException.invalidArgument(
            "bundles: %s twice (expected: each name once)".formatted(bundle.name()));
      }
    }
    ObjectNode override = JsonNodeFactory.instance.objectNode();
    Set<String> named = new TreeSet<>();
    Set<String> changed = new TreeSet<>();
    for (String key : LISTS) {
      JsonNode list = file.path(key).deepCopy();
      boolean differs = false;
      for (JsonNode entry : list) {
        differs |= put((ObjectNode) entry, wanted, named, changed);
      }
      if (differs) {
        override.set(key, list);
      }
    }
    if (file.path("ranking").deepCopy() instanceof ObjectNode ranking
        && put(ranking, wanted, named, changed)) {
      override.putObject("ranking").set("bundle", ranking.get("bundle"));
    }
    for (BundleId bundle : bundles) {
      if (!changed.contains(bundle.toString())) {
        throw RequestException.invalidArgument(
            "bundles: %s (expected: another version of one of %s, which route %s names)"
                .formatted(bundle, named, route));
      }
    }
    return override;
  }

  private static boolean put(
      ObjectNode stage, Map<String, BundleId> wanted, Set<String> named, Set<String> changed) {
    BundleId before = BundleId.parse(stage.path("bundle").asText());
    named.add(before.toString());
    BundleId after = wanted.get(before.name());
    if (after == null || after.equals(before)) {
      return false;
    }
    changed.add(after.toString());
    stage.put("bundle", after.toString());
    return true;
  }
}

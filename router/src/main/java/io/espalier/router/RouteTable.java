package io.espalier.router;

import io.espalier.bundles.BundleId;
import io.espalier.server.ConfigException;
import io.espalier.server.RequestException;
import java.util.Collection;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** The routes of a router, by name, and the default of each kind. */
final class RouteTable {
  private final Map<String, RoutePlan> plans = new TreeMap<>();
  private final Map<Route.Kind, RoutePlan> defaults = new EnumMap<>(Route.Kind.class);

  RouteTable(Collection<RoutePlan> routes) {
    if (routes.isEmpty()) {
      throw new ConfigException("routes: none (expected: at least one route file)");
    }
    for (RoutePlan plan : routes) {
      if (plans.put(plan.name(), plan) != null) {
        throw new ConfigException(
            "route %s: defined twice (expected: each name once)".formatted(plan.name()));
      }
    }
    for (RoutePlan plan : plans.values()) {
      if (plan.base().isDefault()) {
        RoutePlan other = defaults.put(plan.base().kind(), plan);
        if (other != null) {
          throw new ConfigException(
              "route %s: a second default %s route beside %s (expected: at most one)"
                  .formatted(plan.name(), plan.base().kind(), other.name()));
        }
      }
    }
    // A router with one route of a kind needs no mark on it.
    for (Route.Kind kind : Route.Kind.values()) {
      var ofKind = plans.values().stream().filter(plan -> plan.base().kind() == kind).toList();
      if (ofKind.size() == 1) {
        defaults.putIfAbsent(kind, ofKind.getFirst());
      }
    }
  }

  RoutePlan resolve(String name, Route.Kind kind) {
    RoutePlan plan = name.isEmpty() ? defaults.get(kind) : plans.get(name);
    String kindName = kind == Route.Kind.FEED ? "feed" : "search";
    if (plan == null) {
      throw RequestException.notFound(
          name.isEmpty()
              ? "options.route: empty, and there is no default %s route (expected: one of %s)"
                  .formatted(kindName, names(kind))
              : "options.route: %s (expected: one of %s)".formatted(name, names(kind)));
    }
    if (plan.base().kind() != kind) {
      throw RequestException.invalidArgument(
          "options.route: %s is no %s route (expected: one of %s)"
              .formatted(name, kindName, names(kind)));
    }
    return plan;
  }

  Collection<RoutePlan> plans() {
    return plans.values();
  }

  Set<BundleId> bundles() {
    Set<BundleId> bundles = new TreeSet<>();
    plans.values().forEach(plan -> bundles.addAll(plan.bundles()));
    return bundles;
  }

  private Set<String> names(Route.Kind kind) {
    Set<String> names = new TreeSet<>();
    plans.values().stream()
        .filter(plan -> plan.base().kind() == kind)
        .forEach(plan -> names.add(plan.name()));
    return names;
  }
}

package io.espalier.router;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.server.ConfigException;
import io.espalier.server.ConfigFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads route files: fills defaults in, lays each A/B arm's override over the file, and checks
 * every arm.
 */
final class RouteFile {
  private static final List<String> NOT_OVERRIDDEN = List.of("name", "kind", "default", "arms");

  private static final ObjectNode ROUTE =
      defaults(
          """
          default: false
          deadline: 500ms
          slo: 250ms
          reserve: 2ms
          page_size: 20
          list_size: 500
          page_token_ttl: 10m
          explanation: summary
          history: 50
          user_state: {budget: {share: 0.2, max: 24h}}
          rewriters: []
          max_rewrites: 4
          merge: {method: rrf, k: 60, weights: {}, calibration: {}}
          retry: {share: 0.1, burst: 100}
          ladder: []
          rules: []
          """);
  private static final ObjectNode REWRITER =
      defaults("{max: 3, budget: {share: 0.25, max: 24h}, weight: 0.5}");
  private static final ObjectNode SOURCE =
      defaults(
          "{k: 100, beam: 0, rewrite_k: 0, budget: {share: 0.7, max: 24h}, when: always,"
              + " use_rewrites: false, optional: true}");
  private static final ObjectNode DECODING = defaults("{quotas: [], unseen_share: 0}");
  private static final ObjectNode LOAD_WIDTH = defaults("{searches: 0}");
  private static final ObjectNode CALIBRATION =
      defaults("{scale: 1, offset: 0, floor: -20, weight: 1}");
  private static final ObjectNode RANKING =
      defaults("{candidates: 500, budget: {share: 0.9, max: 24h}, optional: true}");
  private static final ObjectNode STEP =
      defaults("{below: 0s, load: 0, beam: 0, k: 0, candidates: 0, skip: []}");
  private static final ObjectNode HEDGE = defaults("{load: 0.5}");
  private static final ObjectNode GROUP = defaults("{max: 1}");
  private static final ObjectNode WEIGHTING = defaults("{ids: []}");

  private RouteFile() {}

  static RoutePlan read(Path file) {
    return plan(ConfigFile.read(file), file.toString());
  }

  static RoutePlan parse(String yaml, String source) {
    return plan(ConfigFile.parse(yaml, source), source);
  }

  private static RoutePlan plan(ObjectNode tree, String source) {
    JsonNode armsTree = tree.remove("arms");
    Route base = bind(tree, source);
    if (armsTree == null) {
      return new RoutePlan(base, "", List.of(new RoutePlan.Arm("", 1, base)));
    }
    Arms arms = ConfigFile.bind(armsTree, source + ": arms", Arms.class);
    List<RoutePlan.Arm> planned = new ArrayList<>();
    for (ArmEntry entry : arms.list()) {
      ObjectNode armTree = tree;
      if (entry.override() != null) {
        for (String key : NOT_OVERRIDDEN) {
          if (entry.override().has(key)) {
            throw new ConfigException(
                "%s: arms: %s overrides %s (expected: none of %s)"
                    .formatted(source, entry.name(), key, NOT_OVERRIDDEN));
          }
        }
        armTree = ConfigFile.merge(tree, entry.override());
      }
      planned.add(
          new RoutePlan.Arm(
              entry.name(), entry.weight(), bind(armTree, source + ": arm " + entry.name())));
    }
    return new RoutePlan(base, arms.salt() == null ? base.name() : arms.salt(), planned);
  }

  private static Route bind(ObjectNode tree, String source) {
    ObjectNode filled = ConfigFile.merge(ROUTE, tree);
    for (String key : List.of("name", "kind", "sources")) {
      if (!filled.has(key)) {
        throw new ConfigException("%s: %s: missing (expected: given)".formatted(source, key));
      }
    }
    if (!filled.has("mask_seen")) {
      filled.put("mask_seen", filled.path("kind").asText().equals("feed"));
    }
    fillEach(filled.get("rewriters"), REWRITER);
    fillEach(filled.get("sources"), SOURCE);
    for (JsonNode entry : filled.path("sources")) {
      if (entry instanceof ObjectNode asked) {
        fill(asked, "decoding", DECODING);
        if (asked.get("decoding") instanceof ObjectNode decoding) {
          fill(decoding, "load_width", LOAD_WIDTH);
        }
      }
    }
    fillEach(filled.get("ladder"), STEP);
    if (filled.get("ranking") instanceof ObjectNode ranking) {
      filled.set("ranking", ConfigFile.merge(RANKING, ranking));
    }
    fill(filled, "hedge", HEDGE);
    if (filled.path("merge").path("calibration") instanceof ObjectNode calibration) {
      fillValues(calibration, CALIBRATION);
    }
    if (filled.get("rules") instanceof ArrayNode rules) {
      for (JsonNode rule : rules) {
        if (rule instanceof ObjectNode parts) {
          fill(parts, "group", GROUP);
          fill(parts, "boost", WEIGHTING);
          fill(parts, "bury", WEIGHTING);
        }
      }
    }
    return ConfigFile.bind(filled, source, Route.class);
  }

  private static void fillEach(@Nullable JsonNode list, ObjectNode defaults) {
    if (list instanceof ArrayNode entries) {
      for (int i = 0; i < entries.size(); i++) {
        if (entries.get(i) instanceof ObjectNode entry) {
          entries.set(i, ConfigFile.merge(defaults, entry));
        }
      }
    }
  }

  private static void fillValues(ObjectNode map, ObjectNode defaults) {
    List<String> keys = new ArrayList<>();
    map.fieldNames().forEachRemaining(keys::add);
    keys.forEach(key -> fill(map, key, defaults));
  }

  private static void fill(ObjectNode parent, String key, ObjectNode defaults) {
    if (parent.get(key) instanceof ObjectNode given) {
      parent.set(key, ConfigFile.merge(defaults, given));
    }
  }

  private static ObjectNode defaults(String yaml) {
    return ConfigFile.parse(yaml, "defaults");
  }

  record Arms(@Nullable String salt, List<ArmEntry> list) {
    Arms {
      Route.inRange("list", list.size(), 1, 100);
    }
  }

  record ArmEntry(String name, double weight, @Nullable ObjectNode override) {
    ArmEntry {
      if (name.isBlank()) {
        throw new IllegalArgumentException("name: empty (expected: the arm's name)");
      }
      if (!(weight > 0) || !Double.isFinite(weight)) {
        throw new IllegalArgumentException("weight: %s (expected: > 0)".formatted(weight));
      }
    }
  }
}

package io.espalier.cli.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.bundles.BundleId;
import io.espalier.server.ConfigException;
import io.espalier.server.ConfigFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * A route file as far as the composition needs it: which bundles each stage must serve. The router
 * checks the rest.
 *
 * @param source where the text is from, for errors
 * @param tree the file's own tree
 */
public record RouteText(String source, ObjectNode tree) {

  /** A source that a route asks. */
  public record Source(BundleId bundle, int k, int beam, String when) {}

  static RouteText read(Path file) {
    return new RouteText(file.toString(), ConfigFile.read(file));
  }

  /** The route's name; empty when the file gives none. */
  public String name() {
    return tree.path("name").asText("");
  }

  /** {@code feed} or {@code search}. */
  public String kind() {
    return tree.path("kind").asText("");
  }

  /** Whether the route answers requests that name none. */
  public boolean isDefault() {
    return tree.path("default").asBoolean(false);
  }

  /** Whether items of the history may not be returned. */
  public boolean maskSeen() {
    return tree.path("mask_seen").asBoolean(kind().equals("feed"));
  }

  /** The sources of the route itself; arms may name others. */
  public List<Source> sources() {
    List<Source> sources = new ArrayList<>();
    for (JsonNode source : tree.path("sources")) {
      sources.add(
          new Source(
              bundle(source),
              source.path("k").asInt(100),
              source.path("beam").asInt(0),
              source.path("when").asText("always")));
    }
    return sources;
  }

  /** Bundles that the rewrite stage must serve, those of every arm among them. */
  public Set<BundleId> rewriterBundles() {
    return listed("rewriters");
  }

  /** Bundles that the retrieval stage must serve, those of every arm among them. */
  public Set<BundleId> sourceBundles() {
    return listed("sources");
  }

  /** Bundles that the ranking stage must serve, those of every arm among them. */
  public Set<BundleId> rankerBundles() {
    Set<BundleId> bundles = new TreeSet<>();
    for (JsonNode ranking : tree.findValues("ranking")) {
      if (ranking.has("bundle")) {
        bundles.add(bundle(ranking));
      }
    }
    return bundles;
  }

  /** Every bundle that the route names. */
  public Set<BundleId> bundles() {
    Set<BundleId> all = new TreeSet<>(rewriterBundles());
    all.addAll(sourceBundles());
    all.addAll(rankerBundles());
    return all;
  }

  private Set<BundleId> listed(String key) {
    Set<BundleId> bundles = new TreeSet<>();
    collect(tree, key, bundles);
    return bundles;
  }

  private void collect(JsonNode node, String key, Set<BundleId> bundles) {
    for (var entry : node.properties()) {
      if (entry.getKey().equals(key) && entry.getValue() instanceof ArrayNode list) {
        list.forEach(item -> bundles.add(bundle(item)));
      } else {
        collect(entry.getValue(), key, bundles);
      }
    }
    if (node instanceof ArrayNode list) {
      list.forEach(item -> collect(item, key, bundles));
    }
  }

  private BundleId bundle(JsonNode parent) {
    try {
      return BundleId.parse(parent.path("bundle").asText(""));
    } catch (IllegalArgumentException e) {
      throw new ConfigException(source + ": " + e.getMessage());
    }
  }

  /** The same route under another name, without rewriters: what rewriting is measured against. */
  public RouteText withoutRewriters(String newName) {
    ObjectNode copy = tree.deepCopy();
    copy.put("name", newName).put("default", false);
    copy.remove(List.of("rewriters", "max_rewrites", "arms"));
    for (JsonNode entry : copy.path("sources")) {
      if (entry instanceof ObjectNode asked) {
        asked.remove(List.of("use_rewrites", "rewrite_k"));
      }
    }
    return new RouteText(source + " without rewriters", copy);
  }

  /**
   * The same route whose stages may take what the request's deadline leaves: for figures of
   * quality, not of time.
   */
  public RouteText withoutBudgets() {
    ObjectNode copy = tree.deepCopy();
    for (JsonNode parent : copy.findParents("budget")) {
      if (parent instanceof ObjectNode stage) {
        stage.remove("budget");
      }
    }
    return new RouteText(source + " without budgets", copy);
  }

  /** The route as YAML. */
  String yaml() {
    return ConfigFile.print(tree);
  }
}

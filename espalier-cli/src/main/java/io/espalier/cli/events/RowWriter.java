package io.espalier.cli.events;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.events.v1.EventKind;
import io.espalier.events.v1.Impression;
import io.espalier.events.v1.ServedFeature;
import io.espalier.events.v1.ShownItem;
import io.espalier.events.v1.ShownSource;
import io.espalier.router.events.EventCodec;
import io.espalier.stores.users.UserHash;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Writes rows as lines: JSON objects, or fields between commas under a line of their names. */
public final class RowWriter {
  private static final List<EventKind> OUTCOMES =
      List.of(
          EventKind.EVENT_KIND_IMPRESSION,
          EventKind.EVENT_KIND_CLICK,
          EventKind.EVENT_KIND_ADD_TO_CART,
          EventKind.EVENT_KIND_PURCHASE);

  private final ObjectMapper json = JsonMapper.builder().build();
  private final Appendable out;
  private final boolean csv;
  private final boolean userIds;
  private boolean begun;

  /**
   * A writer.
   *
   * @param csv fields between commas (RFC 4180), lists and features in them as JSON; else JSON
   *     lines
   * @param userIds whether users are named; else a hash tells one from another
   */
  public RowWriter(Appendable out, boolean csv, boolean userIds) {
    this.out = out;
    this.csv = csv;
    this.userIds = userIds;
  }

  /** Writes a row. */
  public void write(TrainingRow row) {
    ObjectNode node = node(row);
    try {
      if (!csv) {
        out.append(json.writeValueAsString(node)).append('\n');
        return;
      }
      if (!begun) {
        begun = true;
        List<String> names = new ArrayList<>();
        node.fieldNames().forEachRemaining(names::add);
        out.append(String.join(",", names)).append("\r\n");
      }
      List<String> fields = new ArrayList<>();
      node.forEach(
          value ->
              fields.add(
                  quoted(
                      value.isNull()
                          ? ""
                          : value.isContainerNode() ? text(value) : value.asText())));
      out.append(String.join(",", fields)).append("\r\n");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String text(Object value) {
    try {
      return json.writeValueAsString(value);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String quoted(String field) {
    return field.chars().anyMatch(c -> c == ',' || c == '"' || c == '\n' || c == '\r')
        ? '"' + field.replace("\"", "\"\"") + '"'
        : field;
  }

  private ObjectNode node(TrainingRow row) {
    Impression page = row.page();
    ShownItem item = row.item();
    ObjectNode node = json.createObjectNode();
    node.put("request_id", page.getRequestId());
    node.put("time", EventCodec.instant(page.getTime()).toString());
    String user = page.getUserId();
    node.put("user", user.isEmpty() || userIds ? user : UserHash.of(user));
    node.put("query", page.getQuery());
    node.put("route", page.getRoute());
    node.put("arm", page.getArm());
    node.put("item", item.getItemId());
    node.put("position", item.getPosition());
    node.put("score", item.getScore());
    node.put("score_kind", label(item.getScoreKind(), "SCORE_KIND_"));
    if (item.hasPropensity()) {
      node.put("propensity", item.getPropensity());
    } else {
      node.putNull("propensity");
    }
    for (EventKind kind : OUTCOMES) {
      Instant time = row.outcomes().get(kind);
      node.put(outcome(kind), time == null ? 0 : 1);
    }
    for (EventKind kind : OUTCOMES) {
      Instant time = row.outcomes().get(kind);
      node.put(outcome(kind) + "_time", time == null ? null : time.toString());
    }
    node.put("ranker", page.getRanker());
    ObjectNode features = node.putObject("features");
    ArrayNode defaults = node.putArray("default_features");
    for (ServedFeature feature : item.getFeaturesList()) {
      features.put(feature.getName(), feature.getValue());
      if (feature.getIsDefault()) {
        defaults.add(feature.getName());
      }
    }
    ArrayNode sources = node.putArray("sources");
    item.getSourcesList().forEach(source -> sources.add(source(source)));
    strings(node, "rules", item.getRulesList());
    strings(node, "history", page.getHistoryList());
    strings(node, "rewrites", page.getRewritesList());
    strings(node, "bundles", page.getBundlesList());
    node.put("catalog_offset", page.getCatalogOffset());
    strings(node, "degradations", page.getDegradationsList());
    return node;
  }

  private ObjectNode source(ShownSource source) {
    ObjectNode node = json.createObjectNode();
    node.put("source", source.getSource());
    node.put("rank", source.getRank());
    node.put("score", source.getScore());
    node.put("score_kind", label(source.getScoreKind(), "SCORE_KIND_"));
    node.put("best_score", source.getBestScore());
    node.put("rewrite", source.getRewrite());
    ArrayNode codes = node.putArray("semantic_id");
    source.getSemanticIdList().forEach(code -> codes.add((int) code));
    return node;
  }

  private static void strings(ObjectNode node, String name, List<String> values) {
    ArrayNode array = node.putArray(name);
    values.forEach(array::add);
  }

  private static String outcome(EventKind kind) {
    // The client's own word that it was on the screen.
    return kind == EventKind.EVENT_KIND_IMPRESSION ? "viewed" : label(kind, "EVENT_KIND_");
  }

  private static String label(Enum<?> value, String prefix) {
    return value.name().replace(prefix, "").toLowerCase(Locale.ROOT);
  }
}

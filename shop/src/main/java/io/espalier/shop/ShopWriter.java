package io.espalier.shop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Writes a shop as a data folder ({@code docs/bundles.md}, "Data folders"): items.jsonl,
 * sequences.tsv, events.tsv, events-test.tsv, queries.tsv, judgments.tsv, lexicon.tsv,
 * lexicon-heldout.tsv, oracle.tsv and shop.json.
 */
public final class ShopWriter {
  private static final int BUFFER = 1 << 20;

  private final Shop shop;
  private final ObjectMapper json = JsonMapper.builder().build();

  public ShopWriter(Shop shop) {
    this.shop = shop;
  }

  /**
   * Writes all files into a folder, which is made when it is missing; files of the same names are
   * replaced.
   *
   * @throws IOException when a file cannot be written
   */
  public void write(Path dir) throws IOException {
    Files.createDirectories(dir);
    items(dir.resolve("items.jsonl"));
    sequences(dir);
    events(dir);
    queries(dir.resolve("queries.tsv"));
    judgments(dir.resolve("judgments.tsv"));
    lexicon(dir);
    summary(dir.resolve("shop.json"));
  }

  /** sha256 over the external ids in order, each followed by a newline, as {@code sha256:hex}. */
  public String fingerprint() {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (Item item : shop.items()) {
        digest.update((item.id() + "\n").getBytes(StandardCharsets.UTF_8));
      }
      return "sha256:" + HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("SHA-256 (expected: in every JDK)", e);
    }
  }

  private void items(Path file) throws IOException {
    try (BufferedWriter out = open(file)) {
      for (Item item : shop.items()) {
        out.write(line(item));
        out.write('\n');
      }
    }
  }

  private String line(Item item) throws JsonProcessingException {
    ObjectNode node = json.createObjectNode();
    node.put("id", item.id());
    node.put("title", item.title());
    node.put("brand", item.brand());
    item.category().forEach(node.putArray("category")::add);
    node.put("description", item.description());
    node.put("price", item.price());
    item.attributes().forEach(node.putObject("attributes")::put);
    node.put("group", item.group());
    node.put("stock", item.stock());
    node.put("launched", item.launched());
    return json.writeValueAsString(node);
  }

  private void sequences(Path dir) throws IOException {
    try (BufferedWriter sequences = open(dir.resolve("sequences.tsv"));
        BufferedWriter oracle = open(dir.resolve("oracle.tsv"))) {
      for (History history : shop.regulars()) {
        sequences.write(history.user() + "\t" + numbers(history.sequence()) + "\n");
        oracle.write(history.user() + "\t" + numbers(history.oracle()) + "\n");
      }
    }
  }

  private static String numbers(int[] values) {
    return Arrays.stream(values).mapToObj(Integer::toString).collect(Collectors.joining(" "));
  }

  private void events(Path dir) throws IOException {
    List<String> ids = shop.items().stream().map(Item::id).toList();
    try (BufferedWriter train = open(dir.resolve("events.tsv"));
        BufferedWriter test = open(dir.resolve("events-test.tsv"))) {
      StringBuilder line = new StringBuilder();
      for (History history : shop.histories()) {
        for (Event event : history.events()) {
          line.setLength(0);
          line.append(history.user()).append('\t').append(event.time()).append('\t');
          line.append(event.kind().text).append('\t').append(ids.get(event.product())).append('\t');
          line.append(event.query()).append('\t');
          if (event.position() >= 0) {
            line.append(event.position()).append('\t').append(event.clicked() ? '1' : '0');
          } else {
            line.append('\t');
          }
          line.append('\n');
          (history.heldOut(event.time()) ? test : train).append(line);
        }
      }
    }
  }

  private void queries(Path file) throws IOException {
    try (BufferedWriter out = open(file)) {
      for (QueryLog.Row row : shop.queries().train()) {
        out.write("train" + query(row));
      }
      for (QueryLog.Row row : shop.queries().test()) {
        out.write("test" + query(row));
      }
    }
  }

  private String query(QueryLog.Row row) {
    String bought = row.bought() < 0 ? "" : shop.products().get(row.bought()).item().id();
    return "\t" + row.query() + "\t" + row.count() + "\t" + bought + "\n";
  }

  private void judgments(Path file) throws IOException {
    try (BufferedWriter out = open(file)) {
      out.write("query\tid\tgrade\n");
      for (Shop.Judged judged : shop.judged()) {
        for (Judge.Judgment judgment : judged.judgments()) {
          String id = shop.products().get(judgment.product()).item().id();
          out.write(judged.query() + "\t" + id + "\t" + judgment.grade() + "\n");
        }
      }
    }
  }

  private void lexicon(Path dir) throws IOException {
    try (BufferedWriter open = open(dir.resolve("lexicon.tsv"));
        BufferedWriter heldOut = open(dir.resolve("lexicon-heldout.tsv"))) {
      for (Lexicon.Entry entry : shop.lexicon().entries()) {
        (entry.withheld() ? heldOut : open).write(entry.written() + "\t" + entry.meant() + "\n");
      }
    }
  }

  private void summary(Path file) throws IOException {
    ObjectNode node = json.createObjectNode();
    ShopConfig config = shop.config();
    node.put("generator", Shop.VERSION);
    node.put("seed", config.seed());
    node.put("days", config.days());
    node.put("first_second", ShopConfig.START);
    node.put("fingerprint", fingerprint());
    node.put("licence", "Apache-2.0");
    ObjectNode counts = node.putObject("counts");
    counts.put("items", shop.products().size());
    counts.put("users", config.users());
    counts.put("light_users", shop.histories().size() - config.users());
    counts.put("interactions", shop.regulars().stream().mapToLong(h -> h.sequence().length).sum());
    counts.put("events", shop.histories().stream().mapToLong(h -> h.events().size()).sum());
    counts.put("train_queries", shop.queries().trainQueries().size());
    counts.put("test_queries", shop.queries().testQueries().size());
    counts.put("lexicon", shop.lexicon().entries().stream().filter(e -> !e.withheld()).count());
    counts.put(
        "lexicon_heldout",
        shop.lexicon().entries().stream().filter(Lexicon.Entry::withheld).count());
    Files.writeString(
        file,
        json.writerWithDefaultPrettyPrinter().writeValueAsString(node).replace("\r\n", "\n")
            + "\n");
  }

  private static BufferedWriter open(Path file) throws IOException {
    return new BufferedWriter(Files.newBufferedWriter(file, StandardCharsets.UTF_8), BUFFER);
  }
}

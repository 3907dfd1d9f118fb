package io.espalier.stores.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.users.EventKind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DataFolderTest {
  @TempDir Path directory;

  @Test
  void items_everyKey_isRead() throws IOException {
    write(
        "items.jsonl",
        """
        {"asin":"A1","item":0,"title":"Lamp","brand":"Lum","category":["Home","Light"],"description":"Bright.",\
        "price":12.5,"attributes":{"watt":9.0,"colour":"red","dimmable":true},"group":"lamps","stock":3,"other":[1]}

        {"id":17,"category":"Home","title":null}
        """);

    DataFolder folder = DataFolder.open(directory);

    CatalogItem lamp = folder.item("A1").orElseThrow();
    assertThat(lamp.title()).isEqualTo("Lamp");
    assertThat(lamp.brand()).isEqualTo("Lum");
    assertThat(lamp.category()).containsExactly("Home", "Light");
    assertThat(lamp.description()).isEqualTo("Bright.");
    assertThat(lamp.price()).isEqualTo(OptionalDouble.of(12.5));
    assertThat(lamp.attributes())
        .isEqualTo(
            Map.of(
                "watt", new AttributeValue.Numeric(9),
                "colour", new AttributeValue.Text("red"),
                "dimmable", new AttributeValue.Flag(true)));
    assertThat(lamp.attributes().get("watt")).extracting(AttributeValue::text).isEqualTo("9");
    assertThat(lamp.group()).isEqualTo("lamps");
    assertThat(lamp.stock()).isEqualTo(OptionalLong.of(3));
    CatalogItem bare = folder.item(1);
    assertThat(bare.id()).isEqualTo("17");
    assertThat(bare.title()).isEmpty();
    assertThat(bare.category()).containsExactly("Home");
    assertThat(bare.price()).isEmpty();
    assertThat(folder.number("17")).isEqualTo(OptionalInt.of(1));
    assertThat(folder.number("nobody")).isEmpty();
  }

  @Test
  void fingerprint_items_digestsTheirIdsInOrder() throws Exception {
    write("products.jsonl", "{\"id\":\"b\"}\n{\"id\":\"ä\"}\n");

    byte[] digest =
        MessageDigest.getInstance("SHA-256").digest("b\nä\n".getBytes(StandardCharsets.UTF_8));
    assertThat(DataFolder.open(directory).fingerprint())
        .isEqualTo("sha256:" + HexFormat.of().formatHex(digest));
  }

  @Test
  void otherFiles_present_areRead() throws IOException {
    write("items.jsonl", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    write("sequences.tsv", "u1\t1 0 1\nu2\t0\n");
    write("events.tsv", "u1\t100\timpression\ta\tred lamp\t2\t1\nu1\t90\tpurchase\tb\t\t\t\n");
    write("judgments.tsv", "query\tid\tgrade\nlamp\ta\t3\n");
    write("queries.tsv", "train\tlamp\t4\ta\ntest\tlmap\t1\t\n");

    DataFolder folder = DataFolder.open(directory);

    assertThat(folder.sequences()).hasSize(2);
    assertThat(folder.sequences().getFirst().user()).isEqualTo("u1");
    assertThat(folder.sequences().getFirst().items()).containsExactly(1, 0, 1);
    assertThat(folder.sequences().getFirst().first(2)).containsExactly(1, 0);
    List<LoggedEvent> events = new ArrayList<>();
    assertThat(folder.forEachEvent(events::add)).isTrue();
    assertThat(events)
        .containsExactly(
            new LoggedEvent(
                "u1",
                Instant.ofEpochSecond(100),
                EventKind.IMPRESSION,
                "a",
                "red lamp",
                OptionalInt.of(2),
                true),
            new LoggedEvent(
                "u1",
                Instant.ofEpochSecond(90),
                EventKind.PURCHASE,
                "b",
                "",
                OptionalInt.empty(),
                false));
    assertThat(folder.judgments()).containsExactly(new Judgment("lamp", "a", 3));
    assertThat(folder.queries())
        .containsExactly(
            new LoggedQuery(LoggedQuery.Split.TRAIN, "lamp", 4, "a"),
            new LoggedQuery(LoggedQuery.Split.TEST, "lmap", 1, ""));
  }

  @Test
  void otherFiles_absent_areEmpty() throws IOException {
    write("items.jsonl", "{\"id\":\"a\"}\n");

    DataFolder folder = DataFolder.open(directory);

    assertThat(folder.sequences()).isEmpty();
    assertThat(folder.forEachEvent(event -> {})).isFalse();
    assertThat(folder.judgments()).isEmpty();
    assertThat(folder.queries()).isEmpty();
  }

  @Test
  void items_noFile_saysWhichAreExpected() {
    DataFolder folder = DataFolder.open(directory);

    assertThatThrownBy(folder::items)
        .isInstanceOf(InvalidDataException.class)
        .hasMessageContaining("0 items files (expected: one of items.jsonl, products.jsonl)");
  }

  @Test
  void open_noFolder_isRefused() {
    assertThatThrownBy(() -> DataFolder.open(directory.resolve("none")))
        .isInstanceOf(InvalidDataException.class)
        .hasMessageContaining("none: no such directory");
  }

  @Test
  void items_invalidUtf8_namesTheLine() throws IOException {
    Files.write(
        directory.resolve("items.jsonl"), new byte[] {'{', '"', (byte) 0xff, '"', '}', '\n'});

    assertThatThrownBy(() -> DataFolder.open(directory).items())
        .hasMessageContaining("items.jsonl:1: not UTF-8");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "items.jsonl|{\"id\":\"a\"|items.jsonl:2: not JSON",
        "items.jsonl|[1]|items.jsonl:2: [1] (expected: a JSON object)",
        "items.jsonl|{\"title\":\"x\"}|items.jsonl:2: no id (expected: one of asin, id, item)",
        "items.jsonl|{\"id\":\"\"}|items.jsonl:2: id: \"\" (expected: not empty, no tab)",
        "items.jsonl|{\"id\":\"first\"}|items.jsonl:2: id: first (expected: once, and line 1 has it)",
        "items.jsonl|{\"id\":\"a\",\"price\":\"x\"}|items.jsonl:2: price: \"x\" (expected: a number >= 0)",
        "items.jsonl|{\"id\":\"a\",\"stock\":1.5}|items.jsonl:2: stock: 1.5 (expected: a whole number >= 0)",
        "items.jsonl|{\"id\":\"a\",\"category\":[3]}|items.jsonl:2: category: 3 in the path",
        "items.jsonl|{\"id\":\"a\",\"attributes\":{\"x\":[]}}|items.jsonl:2: attributes.x: []",
        "sequences.tsv|u|sequences.tsv:2: 1 fields (expected: 2, user items)",
        "sequences.tsv|u\t0 9|sequences.tsv:2: item: 9 (expected: 0..0)",
        "sequences.tsv|u\t0 x|sequences.tsv:2: item: x (expected: 0..0)",
        "events.tsv|u\tx\tclick\ta\tq\t0\t1|events.tsv:2: seconds: x",
        "events.tsv|u\t5\tstare\ta\tq\t0\t1|events.tsv:2: kind: stare (expected: impression, click",
        "events.tsv|u\t5\tclick\ta\tq\t-1\t1|events.tsv:2: position: -1 (expected: 0..2147483647)",
        "events.tsv|u\t5\tclick\ta\tq\t0\t2|events.tsv:2: clicked: 2 (expected: 0..1)",
        "events.tsv|u\t5\tclick\ta\tq|events.tsv:2: 5 fields (expected: 7, user seconds kind",
        "judgments.tsv|q\ta\t4|judgments.tsv:2: grade: 4 (expected: 0..3)",
        "queries.tsv|later\tq\t1\ta|queries.tsv:2: split: later (expected: train or test)",
      })
  void read_badLine_namesFileLineAndValue(String file, String line, String message)
      throws IOException {
    write("items.jsonl", "{\"id\":\"first\"}\n");
    String before =
        switch (file) {
          case "items.jsonl" -> "{\"id\":\"first\"}\n";
          case "sequences.tsv" -> "u0\t0\n";
          case "events.tsv" -> "u0\t1\tclick\tfirst\t\t\t\n";
          case "judgments.tsv" -> "query\tid\tgrade\n";
          default -> "train\tq\t1\tfirst\n";
        };
    write(file, before + line.replace("\\t", "\t") + "\n");
    DataFolder folder = DataFolder.open(directory);

    assertThatThrownBy(
            () -> {
              folder.items();
              folder.sequences();
              folder.forEachEvent(event -> {});
              folder.judgments();
              folder.queries();
            })
        .isInstanceOf(InvalidDataException.class)
        .hasMessageContaining(message);
  }

  private void write(String name, String text) throws IOException {
    Files.writeString(directory.resolve(name), text);
  }
}

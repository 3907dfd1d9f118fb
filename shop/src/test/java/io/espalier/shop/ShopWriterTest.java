package io.espalier.shop;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShopWriterTest {
  private static final ShopConfig CONFIG = new ShopConfig(7, 500, 60, 200, 10);

  /** Changes only together with {@link Shop#VERSION}. */
  private static final String GOLDEN =
      "85f6ff269b2b962402141068cd803dd1c9476ddbe02d2c64f752290420f6f9a8";

  @TempDir Path dir;

  @Test
  void write_fixedSeed_givesTheBytesOfTheGoldenShop() throws Exception {
    new ShopWriter(Shop.generate(CONFIG)).write(dir);

    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    try (Stream<Path> files = Files.list(dir)) {
      for (Path file : files.sorted().toList()) {
        digest.update(file.getFileName().toString().getBytes(StandardCharsets.UTF_8));
        digest.update(Files.readAllBytes(file));
      }
    }
    assertThat(HexFormat.of().formatHex(digest.digest())).isEqualTo(GOLDEN);
  }

  @Test
  void write_otherSeed_givesAnotherShop() throws Exception {
    new ShopWriter(Shop.generate(CONFIG)).write(dir.resolve("a"));
    new ShopWriter(Shop.generate(CONFIG.withSeed(8))).write(dir.resolve("b"));

    assertThat(dir.resolve("a/items.jsonl").toFile()).isNotEmpty();
    assertThat(Files.mismatch(dir.resolve("a/sequences.tsv"), dir.resolve("b/sequences.tsv")))
        .isNotEqualTo(-1);
  }

  @Test
  void write_files_haveTheColumnsOfTheContract() throws IOException {
    Shop shop = Shop.generate(CONFIG);
    ShopWriter writer = new ShopWriter(shop);
    writer.write(dir);

    assertThat(lines("items.jsonl")).hasSize(500).allMatch(line -> line.startsWith("{\"id\":\"P"));
    assertThat(lines("sequences.tsv"))
        .hasSize(60)
        .allMatch(line -> line.matches("U\\d{6}\t\\d+( \\d+){4,}"));
    assertThat(lines("oracle.tsv"))
        .hasSize(60)
        .allMatch(line -> line.matches("U\\d{6}\t\\d+( \\d+)+"));
    assertThat(lines("events.tsv"))
        .allMatch(
            line ->
                line.matches(
                    "U\\d{6}\t\\d{10}\t(impression|click|purchase)\tP\\d{5}\t[^\t]*\t(\\d+\t[01]|"
                        + "\t)"));
    assertThat(lines("queries.tsv"))
        .allMatch(line -> line.matches("(train|test)\t[^\t]+\t\\d+\t(P\\d{5})?"));
    assertThat(lines("judgments.tsv").getFirst()).isEqualTo("query\tid\tgrade");
    assertThat(lines("judgments.tsv").subList(1, 100))
        .allMatch(line -> line.matches("[^\t]+\tP\\d{5}\t[0-3]"));
    assertThat(lines("lexicon.tsv")).allMatch(line -> line.matches("[^\t]+\t[^\t]+"));
    assertThat(lines("lexicon-heldout.tsv"))
        .isNotEmpty()
        .doesNotContainAnyElementsOf(lines("lexicon.tsv"));
    assertThat(Files.readString(dir.resolve("shop.json")))
        .contains("\"seed\" : 7", "\"fingerprint\" : \"" + writer.fingerprint());
  }

  private List<String> lines(String name) throws IOException {
    return Files.readAllLines(dir.resolve(name));
  }
}

package io.espalier.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;

/** What a recipe's offline decode answered, as it lies in a bundle. */
public final class ParityFixture {
  private ParityFixture() {}

  /**
   * Reads a fixture.
   *
   * @param file gzipped, one JSON object a line
   */
  public static List<JsonNode> read(Path file) throws IOException {
    JsonMapper json = JsonMapper.builder().build();
    List<JsonNode> examples = new ArrayList<>();
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(
                new GZIPInputStream(Files.newInputStream(file)), StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        examples.add(json.readTree(line));
      }
    }
    return examples;
  }
}

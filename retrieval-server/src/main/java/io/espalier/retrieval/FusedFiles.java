package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.index.trie.TrieNodes;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelEdition;
import io.espalier.inference.Tensor;
import io.espalier.inference.onnx.GraphTemplate;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes the model folder of one snapshot, in Triton's layout: the bundle's fused graph with the
 * trie as constants, and its configuration with calls that warm it.
 *
 * @param config the bundle's, of the request's inputs and without a name
 * @param beam the width to warm
 */
record FusedFiles(GraphTemplate template, String config, TigerModel model, int beam) {
  private static final Logger log = LoggerFactory.getLogger(FusedFiles.class);
  private static final int[] WARM_ROWS = {1, 8};
  private static final String PARENT = "espalier-fused";
  // Models are loaded within seconds, and their files deleted.
  private static final Duration ABANDONED = Duration.ofDays(1);

  /** Carries the snapshot's offset, and a checksum of its trie so that no two tries share it. */
  static String name(BundleId bundle, long offset, TrieNodes nodes) {
    CRC32C checksum = new CRC32C();
    constants(nodes).values().forEach(tensor -> checksum.update(tensor.data()));
    return ModelEdition.name(
        "%s-%d-fused-live".formatted(bundle.name(), bundle.version()),
        offset,
        (int) checksum.getValue());
  }

  Path write(Path folder, TrieNodes nodes) throws IOException {
    Files.createDirectories(folder.resolve("1"));
    template.write(constants(nodes), folder.resolve("1/model.onnx"));
    StringBuilder whole = new StringBuilder(config);
    for (int places : model.historySizes()) {
      for (int rows : WARM_ROWS) {
        whole.append(warmUp(rows, places, FusedSnapshot.words(nodes.itemAt().length)));
      }
    }
    Files.writeString(folder.resolve("config.pbtxt"), whole);
    return folder;
  }

  /** A folder of this process's own; {@link #clearAbandoned} deletes those that a crash left. */
  static Path newParent() throws IOException {
    return Files.createTempDirectory(PARENT);
  }

  /** Deletes what processes that have ended by now left among a machine's temporary folders. */
  static void clearAbandoned(Path temporary) {
    Instant since = Instant.now().minus(ABANDONED);
    try (DirectoryStream<Path> parents = Files.newDirectoryStream(temporary, PARENT + "*")) {
      parents.forEach(parent -> clear(parent, since));
    } catch (IOException | DirectoryIteratorException e) {
      log.warn("{}: cannot be looked through for what was abandoned there", temporary, e);
    }
  }

  private static void clear(Path parent, Instant since) {
    try {
      if (Files.getLastModifiedTime(parent).toInstant().isBefore(since)) {
        delete(parent);
        log.info("{}: abandoned by an earlier process, and deleted", parent);
      }
    } catch (IOException | UncheckedIOException e) {
      // Another user's, or another process deletes it at this moment.
      log.debug("{}: was abandoned and cannot be deleted", parent, e);
    }
  }

  static void delete(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted((a, b) -> b.compareTo(a)).toList()) {
        Files.delete(file);
      }
    }
  }

  private static Map<String, Tensor> constants(TrieNodes nodes) {
    Map<String, Tensor> constants = new LinkedHashMap<>();
    constants.put("trie_code", ints(nodes.codes()));
    constants.put("first_child", ints(nodes.firstChildren()));
    constants.put("first_leaf", ints(nodes.firstLeaves()));
    constants.put("item_at", ints(nodes.itemAt()));
    constants.put("branching", Tensor.ofLongs(nodes.branching(), nodes.branching().length));
    return constants;
  }

  private static Tensor ints(int[] values) {
    ByteBuffer buffer = Tensor.allocate(DataType.INT32, values.length);
    buffer.asIntBuffer().put(values);
    return Tensor.wrap(DataType.INT32, buffer, values.length);
  }

  private String warmUp(int rows, int places, int words) {
    int levels = model.levels();
    int added = FusedSnapshot.ROOMS[0];
    Map<String, List<Integer>> inputs = new LinkedHashMap<>();
    inputs.put("history", List.of(places, levels));
    inputs.put("beams", List.of(beam));
    inputs.put("filter", List.of(words));
    for (String name : FusedSnapshot.DELTA) {
      inputs.put(name, List.of(levels, added));
    }
    inputs.put("delta_item", List.of(added));
    StringBuilder text = new StringBuilder();
    text.append("model_warmup {\n  name: \"batch %d, %d events\"\n".formatted(rows, places));
    text.append("  batch_size: %d\n".formatted(rows));
    inputs.forEach(
        (name, dims) ->
            text.append(
                """
                  inputs {
                    key: "%s"
                    value { data_type: TYPE_INT64 dims: %s zero_data: true }
                  }
                """
                    .formatted(name, dims)));
    return text.append("}\n").toString();
  }
}

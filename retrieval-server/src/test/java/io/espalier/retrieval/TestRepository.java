package io.espalier.retrieval;

import io.espalier.bundles.BundleRepository;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Writes small bundles with true checksums; their models exist as names alone unless given. */
final class TestRepository {
  private static final byte[] NOTHING = "graph".getBytes(StandardCharsets.UTF_8);

  private final Path root;
  private int version = 1;

  TestRepository(Path root) throws IOException {
    this.root = root;
    Files.createDirectories(root.resolve("bundles"));
  }

  BundleRepository open() {
    return BundleRepository.open(root);
  }

  /** What is added from here on has this version. */
  TestRepository version(int added) {
    version = added;
    return this;
  }

  /** Adds a bundle, version 1 unless told otherwise. Files are named by their part. */
  void add(
      String name,
      String system,
      String shape,
      String parameters,
      Map<String, String> models,
      Map<String, byte[]> files)
      throws IOException {
    add(name, system, shape, parameters, models, model -> NOTHING, "graph", files);
  }

  /**
   * The same with models that can be loaded: their graphs by their names, and one configuration.
   */
  void add(
      String name,
      String system,
      String shape,
      String parameters,
      Map<String, String> models,
      Function<String, byte[]> graphs,
      String config,
      Map<String, byte[]> files)
      throws IOException {
    Path directory =
        Files.createDirectories(
            root.resolve("bundles").resolve(name).resolve(Integer.toString(version)));
    Map<String, String> checksums = new LinkedHashMap<>();
    StringBuilder yaml = new StringBuilder();
    yaml.append(
        "name: %s%nversion: %d%nsystem: %s%nshape: %s%n".formatted(name, version, system, shape));
    yaml.append("data: {name: test}\nlicence: Apache-2.0\n");
    yaml.append("models: {");
    for (var model : models.entrySet()) {
      yaml.append(model.getKey()).append(": ").append(model.getValue()).append(", ");
      Path folder = Files.createDirectories(root.resolve("models/" + model.getValue() + "/1"));
      byte[] graph = graphs.apply(model.getValue());
      Files.write(folder.resolve("model.onnx"), graph);
      Files.writeString(folder.resolveSibling("config.pbtxt"), config);
      checksums.put("models/" + model.getValue() + "/1/model.onnx", sha256(graph));
      checksums.put(
          "models/" + model.getValue() + "/config.pbtxt",
          sha256(config.getBytes(StandardCharsets.UTF_8)));
    }
    yaml.append("}\nfiles: {");
    for (var file : files.entrySet()) {
      yaml.append(file.getKey()).append(": ").append(file.getKey()).append(", ");
      Files.write(directory.resolve(file.getKey()), file.getValue());
      checksums.put(file.getKey(), sha256(file.getValue()));
    }
    yaml.append("}\nparameters: ").append(parameters).append("\nchecksums:");
    if (checksums.isEmpty()) {
      yaml.append(" {}");
    }
    checksums.forEach((path, sum) -> yaml.append("\n  ").append(path).append(": ").append(sum));
    Files.writeString(directory.resolve("bundle.yaml"), yaml.append('\n'));
  }

  static byte[] lines(List<String> lines) {
    String text = lines.isEmpty() ? "" : String.join("\n", lines) + "\n";
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** A NumPy file of one row of floats an item. */
  static byte[] npy(float[][] rows) {
    String header =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }"
            .formatted(rows.length, rows[0].length);
    header += " ".repeat(117 - header.length()) + "\n";
    ByteBuffer bytes =
        ByteBuffer.allocate(128 + 4 * rows.length * rows[0].length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .put((byte) 0x93)
            .put("NUMPY\u0001\u0000".getBytes(StandardCharsets.US_ASCII))
            .putShort((short) header.length())
            .put(header.getBytes(StandardCharsets.US_ASCII));
    for (float[] row : rows) {
      for (float value : row) {
        bytes.putFloat(value);
      }
    }
    byte[] file = new byte[bytes.flip().remaining()];
    bytes.get(file);
    return file;
  }

  private static String sha256(byte[] bytes) {
    try {
      return "sha256:"
          + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new UncheckedIOException(new IOException(e));
    }
  }
}

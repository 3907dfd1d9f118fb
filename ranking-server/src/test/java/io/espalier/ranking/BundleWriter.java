package io.espalier.ranking;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/** Writes a bundle of version 1 with its checksums, as a recipe does. */
final class BundleWriter {
  private final Path root;
  private final String name;
  private final String system;
  private final Map<String, byte[]> files = new LinkedHashMap<>();
  private final Map<String, String> models = new LinkedHashMap<>();
  private String parameters = "{}";

  BundleWriter(Path root, String name, String system) {
    this.root = root;
    this.name = name;
    this.system = system;
  }

  BundleWriter text(String part, String text) {
    files.put(part, text.getBytes(StandardCharsets.UTF_8));
    return this;
  }

  BundleWriter bytes(String part, byte[] bytes) {
    files.put(part, bytes);
    return this;
  }

  BundleWriter matrix(String part, int width, float... values) {
    files.put(part, npy(values.length / width, width, values));
    return this;
  }

  BundleWriter model(String part) {
    models.put(part, name + "-" + part);
    return this;
  }

  BundleWriter parameters(String yaml) {
    parameters = yaml;
    return this;
  }

  void write() throws IOException {
    Path folder = root.resolve("bundles").resolve(name).resolve("1");
    Files.createDirectories(folder);
    StringBuilder modelLines = new StringBuilder();
    StringBuilder fileLines = new StringBuilder();
    StringBuilder checksums = new StringBuilder();
    for (Map.Entry<String, byte[]> file : files.entrySet()) {
      Files.write(folder.resolve(file.getKey()), file.getValue());
      fileLines.append("  %1$s: %1$s\n".formatted(file.getKey()));
      checksums.append("  %s: %s\n".formatted(file.getKey(), checksum(file.getValue())));
    }
    for (Map.Entry<String, String> model : models.entrySet()) {
      Path model1 = root.resolve("models").resolve(model.getValue());
      byte[] graph = model.getValue().getBytes(StandardCharsets.UTF_8);
      Files.createDirectories(model1.resolve("1"));
      Files.writeString(model1.resolve("config.pbtxt"), "max_batch_size: 8\n");
      Files.write(model1.resolve("1/model.onnx"), graph);
      modelLines.append("  %s: %s\n".formatted(model.getKey(), model.getValue()));
      checksums.append(
          "  models/%s/1/model.onnx: %s\n".formatted(model.getValue(), checksum(graph)));
    }
    Files.writeString(
        folder.resolve("bundle.yaml"),
        """
        name: %s
        version: 1
        system: %s
        shape: score
        data: {name: test}
        licence: Apache-2.0
        models:
        %sfiles:
        %sparameters: %s
        checksums:
        %s"""
            .formatted(name, system, modelLines, fileLines, parameters, checksums));
  }

  private static String checksum(byte[] bytes) {
    try {
      return "sha256:"
          + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] npy(int rows, int width, float[] values) {
    String header =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }".formatted(rows, width);
    header += " ".repeat(63 - (10 + header.length()) % 64) + "\n";
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
    out.writeBytes(
        ByteBuffer.allocate(2)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putShort((short) header.length())
            .array());
    out.writeBytes(header.getBytes(StandardCharsets.US_ASCII));
    ByteBuffer data = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    data.asFloatBuffer().put(values);
    out.writeBytes(data.array());
    return out.toByteArray();
  }
}

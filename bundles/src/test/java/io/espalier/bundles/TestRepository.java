package io.espalier.bundles;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Writes a small sound bundle, {@code lamp@VERSION}, that tests then break. */
final class TestRepository {
  private final Path root;

  TestRepository(Path root) {
    this.root = root;
  }

  Path directory(int version) {
    return root.resolve("bundles/lamp/" + version);
  }

  Path model() {
    return root.resolve("models/lamp-user/1/model.onnx");
  }

  String manifest(int version) throws IOException {
    return """
        name: lamp
        version: %d
        system: E4SRec
        shape: encode
        data: {name: lamps, fingerprint: "sha256:00", licence: research use}
        licence: Apache-2.0
        models: {user: lamp-user}
        files: {items: items.tsv}
        parameters: {history: 20, floor: -0.5, name: random, offsets: [0, 4], sources: {a: {weight: 2}}, fields: [{b: 0.5}]}
        metrics: {validation.recall@10: 0.07}
        checksums:
          items.tsv: %s
          models/lamp-user/1/model.onnx: %s
        """
        .formatted(version, checksum(directory(version).resolve("items.tsv")), checksum(model()));
  }

  void write(int version) throws IOException {
    Files.createDirectories(directory(version));
    Files.createDirectories(model().getParent());
    Files.writeString(directory(version).resolve("items.tsv"), "a\nb\n");
    Files.writeString(model(), "weights");
    Files.writeString(root.resolve("models/lamp-user/config.pbtxt"), "name: \"lamp-user\"\n");
    writeManifest(version, manifest(version));
  }

  void writeManifest(int version, String text) throws IOException {
    Files.writeString(directory(version).resolve("bundle.yaml"), text);
  }

  private static String checksum(Path file) throws IOException {
    try {
      return "sha256:"
          + HexFormat.of()
              .formatHex(
                  MessageDigest.getInstance("SHA-256")
                      .digest(Files.readString(file).getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}

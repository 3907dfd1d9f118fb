package io.espalier.bundles;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;

/** Compares what a bundle's manifest names with what lies on disk. */
final class BundleVerifier {
  private static final int BUFFER = 1 << 16;

  private final Bundle bundle;

  BundleVerifier(Bundle bundle) {
    this.bundle = bundle;
  }

  void verify() {
    Map<String, Path> required = new LinkedHashMap<>();
    bundle.manifest().files().forEach((part, name) -> required.put(name, bundle.file(part)));
    bundle
        .manifest()
        .models()
        .forEach(
            (part, model) -> {
              Path models = bundle.repository().resolve("models");
              Path folder = bundle.resolve("models." + part, models, model);
              required.put("models/" + model + "/config.pbtxt", folder.resolve("config.pbtxt"));
              required.put("models/" + model + "/1/model.onnx", folder.resolve("1/model.onnx"));
            });
    Map<String, String> checksums = bundle.manifest().checksums();
    required.forEach(
        (name, path) -> {
          if (!Files.isRegularFile(path)) {
            throw failure(name, "missing", "a file at " + path);
          }
          // A config.pbtxt may be tuned to a machine without retraining, so its checksum is
          // optional.
          if (!checksums.containsKey(name) && !name.endsWith("/config.pbtxt")) {
            throw failure("checksums." + name, "missing", "sha256 of " + path);
          }
        });
    bundle.manifest().models().values().forEach(model -> refuseUnlisted(model, checksums));
    checksums.forEach(
        (name, expected) -> {
          Path path = required.get(name);
          if (path == null) {
            path = pathOfExtra(name);
          }
          String actual = "sha256:" + sha256(name, path);
          if (!actual.equals(expected)) {
            throw failure(name, actual, expected);
          }
        });
  }

  /** A graph may name further files of its folder, which the engine would read with it. */
  private void refuseUnlisted(String model, Map<String, String> checksums) {
    Path folder = bundle.repository().resolve("models").resolve(model).resolve("1");
    try (Stream<Path> files = Files.walk(folder)) {
      files
          .filter(file -> !Files.isDirectory(file))
          .map(file -> "models/" + model + "/1/" + folder.relativize(file))
          .filter(name -> !checksums.containsKey(name))
          .findFirst()
          .ifPresent(
              name -> {
                throw failure(name, "in the folder", "no file without a checksum");
              });
    } catch (IOException e) {
      throw new BundleException(
          "bundle " + bundle.id() + ": models/" + model + "/1: cannot be read", e);
    }
  }

  /** Weights beside model.onnx: named by a checksum alone. */
  private Path pathOfExtra(String name) {
    for (String model : bundle.manifest().models().values()) {
      if (name.startsWith("models/" + model + "/")) {
        return bundle.resolve("checksums", bundle.repository(), name);
      }
    }
    throw failure("checksums." + name, "unknown", "a file or a model that the manifest names");
  }

  private String sha256(String name, Path path) {
    try (InputStream in = Files.newInputStream(path)) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] buffer = new byte[BUFFER];
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        digest.update(buffer, 0, read);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      throw new BundleException(
          "bundle " + bundle.id() + ": " + name + ": " + path + " cannot be read", e);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  private BundleException failure(String key, String value, String expected) {
    return new BundleException(
        "bundle " + bundle.id() + ": " + key + ": " + value + " (expected: " + expected + ")");
  }
}

package io.espalier.bundles;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A model repository: {@code models/} in Triton's layout and {@code bundles/<name>/<version>/}.
 *
 * <p>A bundle is always asked for by its version: nothing here knows a latest one.
 */
public final class BundleRepository {
  private final Path root;

  private BundleRepository(Path root) {
    this.root = root;
  }

  /**
   * Opens a repository; reads no bundle yet.
   *
   * @throws BundleException when the folder has no {@code bundles/}
   */
  public static BundleRepository open(Path root) {
    Path absolute = root.toAbsolutePath().normalize();
    if (!Files.isDirectory(absolute.resolve("bundles"))) {
      throw new BundleException(
          "model repository: " + root + " (expected: a folder with bundles/)");
    }
    return new BundleRepository(absolute);
  }

  /** Where it lies. */
  public Path root() {
    return root;
  }

  /** The folder of the models, in Triton's layout. */
  public Path models() {
    return root.resolve("models");
  }

  /**
   * Every bundle that has a manifest, by name and version; whether it is sound is not looked at.
   */
  public List<BundleId> list() {
    List<BundleId> ids = new ArrayList<>();
    for (Path name : folders(root.resolve("bundles"))) {
      for (Path version : folders(name)) {
        if (Files.exists(version.resolve("bundle.yaml"))) {
          ids.add(id(name, version));
        }
      }
    }
    ids.sort(null);
    return List.copyOf(ids);
  }

  /** Whether there is a manifest of a bundle; whether it is sound is not looked at. */
  public boolean has(BundleId id) {
    return Files.isRegularFile(directory(id).resolve("bundle.yaml"));
  }

  private Path directory(BundleId id) {
    return root.resolve("bundles").resolve(id.name()).resolve(Integer.toString(id.version()));
  }

  /** Reads a bundle's manifest; checks neither files nor models, see {@link Bundle#verify()}. */
  public Bundle get(BundleId id) {
    Path directory = directory(id);
    Path manifest = directory.resolve("bundle.yaml");
    if (!Files.isRegularFile(manifest)) {
      throw new BundleException("bundle " + id + ": unknown (expected: " + manifest + ")");
    }
    return new Bundle(root, directory, ManifestReader.read(id, manifest));
  }

  /** Reads a bundle's manifest. */
  public Bundle get(String name, int version) {
    return get(new BundleId(name, version));
  }

  private static BundleId id(Path name, Path version) {
    String text = name.getFileName() + "@" + version.getFileName();
    try {
      return BundleId.parse(text);
    } catch (IllegalArgumentException e) {
      throw new BundleException(version + ": " + e.getMessage(), e);
    }
  }

  private static List<Path> folders(Path parent) {
    try (Stream<Path> children = Files.list(parent)) {
      return children.filter(Files::isDirectory).sorted().toList();
    } catch (IOException e) {
      throw new BundleException(parent + ": cannot be read", e);
    }
  }
}

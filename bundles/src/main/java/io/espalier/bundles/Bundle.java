package io.espalier.bundles;

import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** One version of a bundle on disk: its manifest, and where its files and models lie. */
public final class Bundle {
  private final Path repository;
  private final Path directory;
  private final BundleManifest manifest;

  Bundle(Path repository, Path directory, BundleManifest manifest) {
    this.repository = repository;
    this.directory = directory;
    this.manifest = manifest;
  }

  public BundleId id() {
    return manifest.id();
  }

  public String name() {
    return manifest.id().name();
  }

  public int version() {
    return manifest.id().version();
  }

  /** The published system, as docs/systems name it. */
  public String system() {
    return manifest.system();
  }

  public BundleManifest manifest() {
    return manifest;
  }

  public Parameters parameters() {
    return manifest.parameters();
  }

  /** Whether the manifest names a file for this part. */
  public boolean hasFile(String part) {
    return manifest.files().containsKey(part);
  }

  /**
   * Where the file of a part lies.
   *
   * @throws BundleException when the manifest names none, or it is not there
   */
  public Path file(String part) {
    String name = manifest.files().get(part);
    if (name == null) {
      throw new BundleException("bundle " + id() + ": files." + part + ": missing");
    }
    Path file = resolve("files." + part, directory, name);
    if (!Files.isRegularFile(file)) {
      throw new BundleException(
          "bundle " + id() + ": files." + part + ": " + file + " (expected: a file)");
    }
    return file;
  }

  /** Whether the manifest names a model for this part. */
  public boolean hasModel(String part) {
    return manifest.models().containsKey(part);
  }

  /**
   * The name that a {@code ModelRunner} knows a part's model by.
   *
   * @throws BundleException when the manifest names none
   */
  public String model(String part) {
    String model = manifest.models().get(part);
    if (model == null) {
      throw new BundleException("bundle " + id() + ": models." + part + ": missing");
    }
    return model;
  }

  /** Reads the external ids of the bundle's items, part {@code items}. */
  public ItemOrder readItems() {
    return ItemOrder.read(file("items"));
  }

  /**
   * Checks that every file and model that the manifest names is there and has its checksum.
   *
   * @throws BundleException that names the first part which is missing or differs
   */
  public void verify() {
    new BundleVerifier(this).verify();
  }

  /** The folder that holds {@code models/} and {@code bundles/}. */
  Path repository() {
    return repository;
  }

  Path resolve(String key, Path parent, String name) {
    Path path;
    try {
      path = parent.resolve(name).normalize();
    } catch (InvalidPathException e) {
      throw new BundleException(
          "bundle " + id() + ": " + key + ": " + e.getMessage() + " (expected: a path)", e);
    }
    if (!path.startsWith(parent) || path.equals(parent)) {
      throw new BundleException(
          "bundle " + id() + ": " + key + ": " + name + " (expected: a path within its folder)");
    }
    return path;
  }

  /** The bundle's folder. */
  public Path directory() {
    return directory;
  }

  @Override
  public String toString() {
    return id().toString();
  }
}

package io.espalier.bundles;

import java.util.Map;
import java.util.Objects;

/**
 * What {@code bundle.yaml} says: which models, tables and vectors belong together.
 *
 * @param id name and version
 * @param system the published system, as docs/systems name it
 * @param shape how it is served
 * @param data what it was trained on
 * @param licence of the bundle itself
 * @param models model folder under {@code models/} by part
 * @param files file in the bundle's folder by part
 * @param parameters typed per system
 * @param metrics what the recipe measured
 * @param checksums {@code sha256:…} by path
 */
public record BundleManifest(
    BundleId id,
    String system,
    Shape shape,
    TrainingData data,
    String licence,
    Map<String, String> models,
    Map<String, String> files,
    Parameters parameters,
    Map<String, Double> metrics,
    Map<String, String> checksums) {
  public BundleManifest {
    Objects.requireNonNull(id, "id");
    Objects.requireNonNull(system, "system");
    Objects.requireNonNull(shape, "shape");
    Objects.requireNonNull(data, "data");
    Objects.requireNonNull(licence, "licence");
    models = Map.copyOf(models);
    files = Map.copyOf(files);
    Objects.requireNonNull(parameters, "parameters");
    metrics = Map.copyOf(metrics);
    checksums = Map.copyOf(checksums);
  }

  /** The serving shapes. */
  public enum Shape {
    GENERATE,
    ENCODE,
    SCORE,
    REWRITE,
    FUSE,
    TEXT
  }

  /**
   * What a bundle was trained on.
   *
   * @param name a label; nothing branches on it
   * @param fingerprint the data folder's; ties the bundle to a catalogue
   * @param licence of the data
   */
  public record TrainingData(String name, String fingerprint, String licence) {}
}

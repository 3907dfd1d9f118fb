package io.espalier.bundles;

/** Opens what verified bundles need beside themselves while they serve: their models. */
@FunctionalInterface
public interface BundleResources {

  /**
   * Opens what a bundle needs; before it is loaded.
   *
   * @return closed once, after the bundle itself, or when it does not load
   */
  AutoCloseable open(Bundle bundle);

  /** Opens nothing. */
  static BundleResources none() {
    return bundle -> () -> {};
  }
}

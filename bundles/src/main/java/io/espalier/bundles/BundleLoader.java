package io.espalier.bundles;

/**
 * Turns verified bundles into something that serves.
 *
 * @param <T> what a bundle is loaded into
 */
public interface BundleLoader<T extends AutoCloseable> {

  /** Reads the bundle's files and prepares its models; closes what it opened when it fails. */
  T load(Bundle bundle);

  /** Makes the first calls, so that the first request does not pay for them. */
  void warm(T loaded);
}

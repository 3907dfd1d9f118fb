package io.espalier.bundles;

/** A bundle that is missing or breaks its contract; the message names the bundle and the part. */
public final class BundleException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public BundleException(String message) {
    super(message);
  }

  public BundleException(String message, Throwable cause) {
    super(message, cause);
  }
}

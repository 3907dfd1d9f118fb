package io.espalier.bundles;

import java.util.Comparator;
import java.util.regex.Pattern;

/**
 * Name and version of a bundle, written {@code name@version}.
 *
 * @param name lower-case letters, digits and hyphens
 * @param version from 1
 */
public record BundleId(String name, int version) implements Comparable<BundleId> {
  private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9-]*");
  private static final Comparator<BundleId> ORDER =
      Comparator.comparing(BundleId::name).thenComparingInt(BundleId::version);

  public BundleId {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException(
          "bundle name: " + name + " (expected: lower-case letters, digits and hyphens)");
    }
    if (version < 1) {
      throw new IllegalArgumentException("bundle version: " + version + " (expected: >= 1)");
    }
  }

  /** Reads {@code name@version}; there is no short form for the latest version. */
  public static BundleId parse(String text) {
    int at = text.indexOf('@');
    if (at > 0) {
      try {
        return new BundleId(text.substring(0, at), Integer.parseInt(text.substring(at + 1)));
      } catch (NumberFormatException e) {
        // Reported below.
      }
    }
    throw new IllegalArgumentException("bundle: " + text + " (expected: name@version)");
  }

  @Override
  public int compareTo(BundleId other) {
    return ORDER.compare(this, other);
  }

  @Override
  public String toString() {
    return name + "@" + version;
  }
}

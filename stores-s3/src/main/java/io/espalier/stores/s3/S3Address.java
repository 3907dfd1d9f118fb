package io.espalier.stores.s3;

import io.espalier.stores.blobs.BlobStore;
import java.net.URI;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where blobs are in an object store: {@code s3://bucket[/prefix][?endpoint=URL][&region=NAME]}.
 *
 * @param bucket the bucket
 * @param prefix what every key begins with there: empty, or ending in {@code /}
 * @param endpoint the store's URL; empty for Amazon's own
 * @param region the region; empty for what the environment says
 */
public record S3Address(String bucket, String prefix, String endpoint, String region) {
  /** What an address begins with. */
  public static final String SCHEME = "s3://";

  private static final String FORM = SCHEME + "bucket[/prefix][?endpoint=URL][&region=NAME]";
  private static final Pattern ADDRESS =
      Pattern.compile("s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([^?]*))?(?:\\?(.+))?");
  private static final Pattern URL = Pattern.compile("https?://[^/?#]+/?");

  /**
   * Reads an address.
   *
   * @throws IllegalArgumentException when it is not one
   */
  public static S3Address parse(String address) {
    Matcher matcher = ADDRESS.matcher(address);
    if (!matcher.matches()) {
      throw bad(address, FORM);
    }
    String prefix = matcher.group(2) == null ? "" : matcher.group(2).replaceAll("/$", "");
    if (!prefix.isEmpty() && !BlobStore.KEY.matcher(prefix).matches()) {
      throw bad(address, "a prefix of segments of A-Z a-z 0-9 . _ @ -");
    }
    String endpoint = "";
    String region = "";
    String options = matcher.group(3);
    for (String option : options == null ? new String[0] : options.split("&", -1)) {
      if (option.startsWith("endpoint=") && URL.matcher(option.substring(9)).matches()) {
        endpoint = option.substring(9);
      } else if (option.matches("region=[a-z0-9-]+")) {
        region = option.substring(7);
      } else {
        throw bad(address, FORM);
      }
    }
    return new S3Address(matcher.group(1), prefix.isEmpty() ? "" : prefix + "/", endpoint, region);
  }

  private static IllegalArgumentException bad(String address, String expected) {
    return new IllegalArgumentException("\"%s\" (expected: %s)".formatted(address, expected));
  }

  URI endpointUri() {
    return URI.create(endpoint);
  }

  @Override
  public String toString() {
    return SCHEME + bucket + "/" + prefix + (endpoint.isEmpty() ? "" : " at " + endpoint);
  }
}

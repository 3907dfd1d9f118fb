package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;

/**
 * Which terms each item has, as rising 32-bit FNV-1a hashes: {@code item_terms.bin} and {@code
 * title_terms.bin} of docs/decisions/0005.
 */
final class ItemTerms {
  private static final int FNV_OFFSET = 0x811c9dc5;
  private static final int FNV_PRIME = 0x01000193;

  // Hashes of item i lie in hashes[starts[i]] to hashes[starts[i + 1]], exclusive.
  private final int[] starts;
  private final int[] hashes;

  private ItemTerms(int[] starts, int[] hashes) {
    this.starts = starts;
    this.hashes = hashes;
  }

  static ItemTerms read(Bundle bundle, String part, int items) {
    Path file = bundle.file(part);
    IntBuffer data;
    try {
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      data = bytes.asIntBuffer();
      if (bytes.limit() % Integer.BYTES != 0) {
        throw invalid(bundle, file, bytes.limit() + " bytes", "whole INT32s");
      }
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": " + file + ": cannot be read", e);
    }
    int[] starts = new int[items + 1];
    int[] hashes = new int[Math.max(0, data.remaining() - items)];
    for (int item = 0; item < items; item++) {
      int count = data.hasRemaining() ? data.get() : -1;
      if (count < 0 || count > data.remaining() || count > hashes.length - starts[item]) {
        throw invalid(bundle, file, "item " + item + ": " + count + " terms", "as many as follow");
      }
      data.get(hashes, starts[item], count);
      starts[item + 1] = starts[item] + count;
      for (int i = starts[item] + 1; i < starts[item + 1]; i++) {
        if (hashes[i - 1] >= hashes[i]) {
          throw invalid(bundle, file, "item " + item + ": hashes not rising", "rising");
        }
      }
    }
    if (data.hasRemaining()) {
      throw invalid(bundle, file, data.remaining() + " INT32s after the last item", "none");
    }
    return new ItemTerms(starts, hashes);
  }

  private static BundleException invalid(Bundle bundle, Path file, String value, String expected) {
    return new BundleException(
        "bundle " + bundle.id() + ": " + file + ": " + value + " (expected: " + expected + ")");
  }

  /** Share of these terms that an item has; 0 of no terms. */
  double share(int item, int[] terms) {
    if (terms.length == 0) {
      return 0;
    }
    int found = 0;
    for (int term : terms) {
      if (Arrays.binarySearch(hashes, starts[item], starts[item + 1], term) >= 0) {
        found++;
      }
    }
    return (double) found / terms.length;
  }

  /** Hashes of distinct terms. */
  static int[] hashes(Collection<String> terms) {
    return terms.stream().distinct().mapToInt(ItemTerms::hash).toArray();
  }

  /** 32-bit FNV-1a of a term's UTF-8 bytes. */
  static int hash(String term) {
    int hash = FNV_OFFSET;
    for (byte b : term.getBytes(StandardCharsets.UTF_8)) {
      hash = (hash ^ (b & 0xff)) * FNV_PRIME;
    }
    return hash;
  }
}

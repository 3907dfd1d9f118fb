package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * What a published snapshot is and which files it is made of. Written last, it makes them visible.
 *
 * @param place the last change that it knows
 * @param origin how many items the catalogue had before its first change
 * @param publishedMillis when it was published, since 1970
 * @param itemCount items in it
 * @param items external ids and attributes
 * @param tries semantic ids, by bundle version
 * @param documents whole items; one of a later file stands for one of an earlier
 */
record SnapshotManifest(
    LogPlace place,
    long origin,
    long publishedMillis,
    int itemCount,
    Part items,
    Map<BundleId, Part> tries,
    List<Part> documents) {
  private static final String TITLE = "espalier-catalogue-snapshot 1";

  SnapshotManifest {
    tries = new TreeMap<>(tries);
    documents = List.copyOf(documents);
  }

  /**
   * A file of the store.
   *
   * @param key its key
   * @param bytes its size
   */
  record Part(String key, long bytes) {
    @Override
    public String toString() {
      return key + " " + bytes;
    }

    static Part parse(String text) {
      int space = text.indexOf(' ');
      if (space < 0) {
        throw new IllegalArgumentException("part: " + text + " (expected: KEY BYTES)");
      }
      return new Part(text.substring(0, space), Long.parseLong(text.substring(space + 1)));
    }
  }

  long offset() {
    return place.offset();
  }

  Stream<Part> parts() {
    return Stream.of(Stream.of(items), tries.values().stream(), documents.stream())
        .flatMap(Function.identity());
  }

  long bytes() {
    return parts().mapToLong(Part::bytes).sum();
  }

  /** The same content as the catalogue's at another place. */
  SnapshotManifest at(LogPlace other, long nowMillis) {
    return new SnapshotManifest(other, origin, nowMillis, itemCount, items, tries, documents);
  }

  /** A text of one value a line, the last a checksum of those before. */
  String write() {
    StringBuilder text = new StringBuilder(TITLE).append('\n');
    text.append("offset ").append(place.offset()).append('\n');
    text.append("epoch ").append(place.epoch()).append('\n');
    text.append("origin ").append(origin).append('\n');
    text.append("published ").append(publishedMillis).append('\n');
    text.append("count ").append(itemCount).append('\n');
    text.append("items ").append(items).append('\n');
    tries.forEach((bundle, part) -> text.append("trie ").append(bundle + " " + part).append('\n'));
    documents.forEach(part -> text.append("documents ").append(part).append('\n'));
    return text + "crc32c " + checksum(text.toString()) + "\n";
  }

  private static String checksum(String text) {
    CRC32C crc = new CRC32C();
    crc.update(text.getBytes(StandardCharsets.UTF_8));
    return Long.toHexString(crc.getValue());
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @throws IllegalArgumentException when the text is not that
   */
  static SnapshotManifest read(String text) {
    int end = text.lastIndexOf("crc32c ");
    if (!text.startsWith(TITLE + "\n")
        || end < 0
        || !text.substring(end).equals("crc32c " + checksum(text.substring(0, end)) + "\n")) {
      throw new IllegalArgumentException(
          "manifest: "
              + text.lines().findFirst().orElse("empty")
              + " … (expected: "
              + TITLE
              + ", with its checksum)");
    }
    Map<String, String> values = new HashMap<>();
    Map<BundleId, Part> tries = new TreeMap<>();
    List<Part> documents = new ArrayList<>();
    for (String line : text.substring(0, end).split("\n", -1)) {
      String[] words = line.split(" ", 2);
      switch (words[0]) {
        case "trie" -> {
          String[] trie = words[1].split(" ", 2);
          tries.put(BundleId.parse(trie[0]), Part.parse(trie[1]));
        }
        case "documents" -> documents.add(Part.parse(words[1]));
        default -> values.put(words[0], words.length == 1 ? "" : words[1]);
      }
    }
    return new SnapshotManifest(
        new LogPlace(
            Long.parseLong(values.getOrDefault("offset", "")),
            // Written since there are epochs.
            Long.parseLong(values.getOrDefault("epoch", "0"))),
        Long.parseLong(values.getOrDefault("origin", "")),
        Long.parseLong(values.getOrDefault("published", "")),
        Integer.parseInt(values.getOrDefault("count", "")),
        Part.parse(values.getOrDefault("items", "")),
        tries,
        documents);
  }
}

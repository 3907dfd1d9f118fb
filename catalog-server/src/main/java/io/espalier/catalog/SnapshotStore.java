package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.SnapshotManifest.Part;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.blobs.BlobStore;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Published snapshots of one catalogue: files under {@code parts/}, which a manifest under {@code
 * manifests/} makes visible. What does not verify is logged, counted and passed over.
 *
 * <p>Files are fetched into a folder of this process's own and mapped there.
 */
public final class SnapshotStore {
  private static final Logger log = LoggerFactory.getLogger(SnapshotStore.class);
  private static final String MANIFESTS = "manifests/";
  private static final String PARTS = "parts/";

  private final BlobStore blobs;
  private final Path cache;
  private final SnapshotMetrics metrics;
  // Manifests by key: they never change. Those that are bad, so that each is told of once.
  private final Map<String, Optional<SnapshotManifest>> known = new HashMap<>();
  // When the newest snapshot that was opened was published.
  private volatile long newestUsed;

  /**
   * The snapshots of a store.
   *
   * @param blobs holds nothing else
   * @param cache a folder that no other user of snapshots writes to; made when it is not there
   * @param meter counts what is published, opened, and failed
   */
  public SnapshotStore(BlobStore blobs, Path cache, Meter meter) throws IOException {
    this.blobs = blobs;
    this.cache = Files.createDirectories(cache);
    this.metrics = new SnapshotMetrics(meter);
  }

  SnapshotMetrics metrics() {
    return metrics;
  }

  /** Counts that a snapshot took the place of the one that was searched. */
  public void swapped() {
    metrics.swapped();
  }

  /** Tells how old the newest snapshot is that was opened. */
  public void observe() {
    metrics.observe(() -> newestUsed);
  }

  /** How often something could not be published, read or opened. */
  public long failures() {
    return metrics.failures();
  }

  /** Sorted by offset, then by when they were published: a new bundle version has one anew. */
  private static String key(SnapshotManifest manifest) {
    return MANIFESTS + "%020d-%014d".formatted(manifest.offset(), manifest.publishedMillis());
  }

  /**
   * The manifests that are sound, the newest first.
   *
   * @throws IOException when the store cannot be read, or none of several manifests
   */
  List<SnapshotManifest> manifests() throws IOException {
    Map<String, IOException> unread = new TreeMap<>();
    List<SnapshotManifest> found = manifests(unread);
    for (IOException e : unread.values()) {
      if (found.isEmpty()) {
        // More likely the store than each of them.
        throw e;
      }
      metrics.failed(SnapshotMetrics.Step.MANIFEST);
      log.error("a manifest is passed over", e);
    }
    return found;
  }

  /**
   * As above.
   *
   * @param unread takes, by key, why some could not be read; they may be sound
   */
  private synchronized List<SnapshotManifest> manifests(Map<String, IOException> unread)
      throws IOException {
    List<String> keys = blobs.list(MANIFESTS);
    known.keySet().retainAll(new HashSet<>(keys));
    List<SnapshotManifest> found = new ArrayList<>();
    for (String key : keys.reversed()) {
      Optional<SnapshotManifest> manifest = known.get(key);
      if (manifest == null) {
        try {
          manifest = read(key);
        } catch (NoSuchFileException e) {
          // It was dropped a moment ago.
          continue;
        } catch (IOException e) {
          unread.put(key, e);
          continue;
        }
        known.put(key, manifest);
      }
      manifest.ifPresent(found::add);
    }
    return found;
  }

  /**
   * The newest manifest of an offset.
   *
   * @throws IOException when there may be one that cannot be read at present
   */
  Optional<SnapshotManifest> manifest(long offset) throws IOException {
    Map<String, IOException> unread = new TreeMap<>();
    Optional<SnapshotManifest> found =
        manifests(unread).stream().filter(manifest -> manifest.offset() == offset).findFirst();
    if (found.isEmpty() && !unread.isEmpty()) {
      throw unread.values().iterator().next();
    }
    return found;
  }

  private Optional<SnapshotManifest> read(String key) throws IOException {
    Path file = cache.resolve("manifest-" + UUID.randomUUID());
    try {
      blobs.get(key, file);
      String text = Files.readString(file, StandardCharsets.ISO_8859_1);
      SnapshotManifest manifest = SnapshotManifest.read(text);
      if (!key(manifest).equals(key)) {
        throw new IllegalArgumentException("it is that of " + key(manifest));
      }
      return Optional.of(manifest);
    } catch (IllegalArgumentException e) {
      metrics.failed(SnapshotMetrics.Step.MANIFEST);
      log.error("{} is not used: {}", key, e.getMessage());
      return Optional.empty();
    } finally {
      Files.deleteIfExists(file);
    }
  }

  /**
   * The newest snapshot that verifies and fits.
   *
   * @param least the least offset wanted
   * @param most the highest
   * @param bundles bundle versions whose semantic ids it must have
   * @throws IOException when the store cannot be read
   */
  public Optional<Snapshot> newest(long least, long most, Set<BundleId> bundles)
      throws IOException {
    return newest(
        manifest ->
            manifest.offset() >= least
                && manifest.offset() <= most
                && manifest.tries().keySet().containsAll(bundles));
  }

  Optional<Snapshot> newest(Predicate<SnapshotManifest> fits) throws IOException {
    for (SnapshotManifest manifest : manifests()) {
      if (fits.test(manifest)) {
        try {
          return Optional.of(open(manifest));
        } catch (IOException e) {
          metrics.failed(SnapshotMetrics.Step.OPEN);
          log.error("the snapshot of offset {} is not used", manifest.offset(), e);
        }
      }
    }
    return Optional.empty();
  }

  /**
   * Fetches, verifies and maps a snapshot; not its whole items.
   *
   * @throws IOException when a file of it is missing or does not verify
   */
  Snapshot open(SnapshotManifest manifest) throws IOException {
    ItemAttributes items = fetched(manifest.items(), ItemAttributes::open);
    if (items.ids().size() != manifest.itemCount()) {
      throw new IOException(
          manifest.items().key()
              + ": "
              + items.ids().size()
              + " items (expected: "
              + manifest.itemCount()
              + ")");
    }
    Map<BundleId, LiveTrie> tries = new TreeMap<>();
    for (Map.Entry<BundleId, Part> trie : manifest.tries().entrySet()) {
      tries.put(
          trie.getKey(), LiveTrie.of(fetched(trie.getValue(), file -> SemanticIdTrie.open(file))));
    }
    metrics.opened();
    newestUsed = Math.max(newestUsed, manifest.publishedMillis());
    return new Snapshot(
        manifest, new CatalogState(manifest.offset(), LiveItems.of(items), tries), this);
  }

  Documents openDocuments(SnapshotManifest manifest) throws IOException {
    List<Path> files = new ArrayList<>();
    for (Part part : manifest.documents()) {
      // Opened by itself first, so that a bad copy is fetched again.
      fetched(part, file -> Documents.open(List.of(file)));
      files.add(cached(part.key()));
    }
    return Documents.open(files);
  }

  private interface Opener<T> {
    T open(Path file) throws IOException;
  }

  private synchronized <T> T fetched(Part part, Opener<T> opener) throws IOException {
    Path file = cached(part.key());
    if (Files.exists(file)) {
      try {
        return opener.open(file);
      } catch (IOException e) {
        log.warn("{} is fetched again", file, e);
        Files.delete(file);
      }
    }
    blobs.get(part.key(), file);
    long size = Files.size(file);
    if (size != part.bytes()) {
      Files.delete(file);
      throw new IOException(part.key() + ": " + size + " bytes (expected: " + part.bytes() + ")");
    }
    try {
      return opener.open(file);
    } catch (IOException e) {
      Files.delete(file);
      throw e;
    }
  }

  private Path cached(String key) {
    return cache.resolve(key.replace('/', '_'));
  }

  /** A name for a file of a snapshot that is being made, which no other has had. */
  String newKey(long offset, String name) {
    // One level: folders that nothing is in any more would be left behind.
    return PARTS
        + "%020d-%s-%s".formatted(offset, UUID.randomUUID().toString().substring(0, 8), name);
  }

  /** Where a file of a snapshot is written, to be {@link #put} and mapped. */
  Path fileOf(String key) {
    return cached(key);
  }

  /** Stores a file that was written where {@link #fileOf} says. */
  Part put(String key) throws IOException {
    Path file = cached(key);
    blobs.put(key, file);
    return new Part(key, Files.size(file));
  }

  /** Makes a snapshot visible, all of whose files were put. */
  void publish(SnapshotManifest manifest) throws IOException {
    Path file = cache.resolve("manifest-" + UUID.randomUUID());
    try {
      Files.writeString(file, manifest.write(), StandardCharsets.ISO_8859_1);
      blobs.put(key(manifest), file);
      metrics.published();
    } finally {
      Files.deleteIfExists(file);
    }
  }

  /** Drops a snapshot that was published; its files go with the next {@link #prune}. */
  void drop(SnapshotManifest manifest) throws IOException {
    blobs.delete(key(manifest));
  }

  /** Deletes files of a snapshot that came to nothing, here and, where it can be, in the store. */
  void discard(List<String> keys) {
    try {
      for (String key : keys) {
        Files.deleteIfExists(cached(key));
      }
      for (String key : keys) {
        blobs.delete(key);
      }
    } catch (IOException | RuntimeException e) {
      // It failed a moment ago, too; what is left there goes with the next prune.
      log.warn("files of a snapshot that was not published are left", e);
    }
  }

  /**
   * Drops all but the newest snapshots, and the files that none of those has.
   *
   * @return the oldest that is kept
   * @throws IOException when the store cannot be read or written; what was dropped by then is
   */
  Optional<SnapshotManifest> prune(int keep) throws IOException {
    NavigableMap<String, IOException> unread = new TreeMap<>();
    List<SnapshotManifest> kept = manifests(unread).stream().limit(keep).toList();
    if (!unread.isEmpty()
        && (kept.size() < keep || unread.lastKey().compareTo(key(kept.getLast())) > 0)) {
      // It may be one of those that are kept, and what it has would be dropped.
      throw unread.lastEntry().getValue();
    }
    if (kept.isEmpty()) {
      return Optional.empty();
    }
    for (String key : blobs.list(MANIFESTS)) {
      // Bad ones too, once they are older than those that are kept.
      if (key.compareTo(key(kept.getLast())) < 0) {
        blobs.delete(key);
      }
    }
    Set<String> used =
        kept.stream().flatMap(SnapshotManifest::parts).map(Part::key).collect(Collectors.toSet());
    // Later ones may be those of a snapshot that another writer is about to publish.
    String end = PARTS + "%020d".formatted(kept.getFirst().offset());
    for (String key : blobs.list(PARTS)) {
      if (!used.contains(key) && key.compareTo(end) < 0) {
        blobs.delete(key);
      }
    }
    return Optional.of(kept.getLast());
  }

  /** Deletes the fetched files that a snapshot does not have; whoever has mapped one keeps it. */
  public synchronized void keepOnly(Snapshot snapshot) throws IOException {
    Set<Path> kept =
        snapshot.manifest().parts().map(part -> cached(part.key())).collect(Collectors.toSet());
    List<Path> files;
    try (Stream<Path> all = Files.list(cache)) {
      files = all.toList();
    }
    for (Path file : files) {
      if (!kept.contains(file)) {
        Files.deleteIfExists(file);
      }
    }
  }
}

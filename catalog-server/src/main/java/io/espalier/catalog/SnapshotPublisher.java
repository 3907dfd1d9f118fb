package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.v1.Change;
import io.espalier.server.RequestException;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.RecordLog;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Publishes snapshots of a catalogue beside its writer, in the same process: whoever holds the log
 * publishes.
 *
 * <p>Between two snapshots nothing is kept in memory but the last one, mapped: the next is made of
 * it and of what the log says since. Once it is published, old ones are dropped, and the log up to
 * the oldest that is kept.
 */
final class SnapshotPublisher implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(SnapshotPublisher.class);
  private static final int READ_BYTES = 1 << 20;
  // Changes that are held in memory at once; a snapshot of more is made by way of others.
  private static final int SLICE = 100_000;
  private static final long NEWEST = Long.MAX_VALUE;
  private static final Duration POLL = Duration.ofMillis(50);
  // A store that fails is not asked again at once.
  private static final Duration PAUSE = Duration.ofSeconds(5);

  private final RecordLog records;
  private final SnapshotStore store;
  private final SnapshotSettings settings;
  private volatile Set<BundleId> bundles;
  private final Throttle throttle;
  private final int slice;
  private final Thread thread;
  private volatile boolean closed;
  // The newest snapshot; written under this object's lock.
  private volatile Snapshot last;
  // One that was published on the way to a later one; guarded by this.
  private @Nullable SnapshotManifest passing;
  // Where the log has, or may have, a return that is not published yet; 0 where nowhere.
  private volatile long doubted;

  private SnapshotPublisher(
      RecordLog records,
      SnapshotStore store,
      SnapshotSettings settings,
      Set<BundleId> bundles,
      Snapshot last,
      int slice) {
    this.records = records;
    this.store = store;
    this.settings = settings;
    this.bundles = Set.copyOf(bundles);
    this.throttle = Throttle.ofMachine(settings.busyShare());
    this.last = last;
    this.slice = slice;
    this.thread = Thread.ofPlatform().name("snapshot-publisher").unstarted(this::run);
  }

  /**
   * A bundle version that items have semantic ids in.
   *
   * @param levels codes of an id
   * @param table the bundle's own, by external id
   */
  record Codes(int levels, Map<String, List<Integer>> table) {}

  /**
   * Opens the newest snapshot, or publishes the first. Bundle versions that the newest lacks are
   * not live yet: see {@link #add}.
   *
   * @param items the catalogue before its first change
   * @param codes of each bundle version
   * @throws IOException when the store cannot be read or written
   * @throws LogException when log and snapshots do not belong together
   */
  static SnapshotPublisher start(
      RecordLog records,
      SnapshotStore store,
      SnapshotSettings settings,
      List<CatalogItem> items,
      Map<BundleId, Codes> codes)
      throws IOException {
    return start(records, store, settings, items, codes, SLICE);
  }

  /**
   * As above.
   *
   * @param slice changes that are held in memory at once
   */
  static SnapshotPublisher start(
      RecordLog records,
      SnapshotStore store,
      SnapshotSettings settings,
      List<CatalogItem> items,
      Map<BundleId, Codes> codes,
      int slice)
      throws IOException {
    Optional<Snapshot> newest = store.newest(manifest -> true);
    Snapshot last = newest.isPresent() ? newest.get() : first(records, store, items, codes);
    if (last.offset() > records.end() || last.offset() < records.start() - 1) {
      throw new LogException(
          "the newest snapshot is of offset %d (expected: %d to %d, as the log has)"
              .formatted(last.offset(), records.start() - 1, records.end()));
    }
    boolean compared = last.place().epoch() != 0 && last.offset() >= records.start();
    if (compared && !LogPlace.of(records, last.offset()).equals(last.place())) {
      throw new LogException(
          "the newest snapshot is of offset %s (expected: %s, as the log has: it lost changes)"
              .formatted(last.place(), LogPlace.of(records, last.offset())));
    }
    if (last.manifest().origin() != items.size()) {
      throw new LogException(
          "the newest snapshot is of a catalogue that began with %d items (expected: %d)"
              .formatted(last.manifest().origin(), items.size()));
    }
    Set<BundleId> live = new TreeSet<>(codes.keySet());
    live.retainAll(last.state().tries().keySet());
    SnapshotPublisher publisher =
        new SnapshotPublisher(records, store, settings, live, last, slice);
    publisher.begin();
    publisher.thread.start();
    return publisher;
  }

  private static Snapshot first(
      RecordLog records, SnapshotStore store, List<CatalogItem> items, Map<BundleId, Codes> codes)
      throws IOException {
    if (records.start() != items.size() + 1L) {
      throw new LogException(
          "the log begins at offset %d and there is no snapshot (expected: %d, after the items)"
              .formatted(records.start(), items.size() + 1));
    }
    CatalogState state = with(CatalogState.of(items), codes);
    SnapshotManifest manifest =
        new SnapshotFiles(store, LogPlace.beginning(items.size()), () -> {})
            .write(state, items, System.currentTimeMillis());
    store.publish(manifest);
    return store.open(manifest);
  }

  private static CatalogState with(CatalogState state, Map<BundleId, Codes> codes) {
    CatalogState all = state;
    for (Map.Entry<BundleId, Codes> bundle : codes.entrySet()) {
      if (!state.tries().containsKey(bundle.getKey())) {
        all = all.with(bundle.getKey(), bundle.getValue().levels(), bundle.getValue().table());
      }
    }
    return all;
  }

  /** Finishes what a crash cut short: a return, and files of a snapshot that never was. */
  private synchronized void begin() throws IOException {
    settleReturns();
    deleteOthers();
  }

  /** The bundle versions whose ids snapshots have. */
  Set<BundleId> bundles() {
    return bundles;
  }

  /**
   * Publishes a snapshot that has the ids of a bundle, as those from here on do.
   *
   * @param codes those that it was trained on
   * @param assigned those of other items; empty where some have none
   * @return whether there were any, and it was published
   * @throws IOException when it cannot be published; the bundle is none of those that are live then
   */
  synchronized boolean add(
      BundleId bundle, Codes codes, Supplier<Optional<CatalogWriter.Assigned>> assigned)
      throws IOException {
    Optional<CatalogWriter.Assigned> others = assigned.get();
    if (others.isEmpty()) {
      return false;
    }
    // Of exactly that offset: an item that goes right after it has no id any more, and is in it.
    publish(others.get().offset());
    Map<String, List<Integer>> table = new HashMap<>(others.get().ids());
    table.putAll(codes.table());
    Set<BundleId> before = new TreeSet<>(bundles);
    before.remove(bundle);
    Set<BundleId> all = new TreeSet<>(before);
    all.add(bundle);
    bundles = all;
    try {
      publish(
          with(last.state().only(before), Map.of(bundle, new Codes(codes.levels(), table))),
          List.of());
      clear();
    } catch (IOException | RuntimeException | Error e) {
      bundles = before;
      throw e;
    }
    return true;
  }

  /** The snapshots from the next one on have no ids of a bundle. */
  synchronized void remove(BundleId bundle) {
    Set<BundleId> fewer = new TreeSet<>(bundles);
    fewer.remove(bundle);
    bundles = fewer;
  }

  /**
   * The first changes that the log has since the last snapshot, a slice at most; a return to
   * another snapshot is settled first.
   *
   * @param most the last offset that is wanted
   */
  private List<LoggedChange> since(long most) throws IOException {
    List<LoggedChange> changes = new ArrayList<>();
    read(
        most,
        message -> {
          if (message.hasRolledBack()) {
            changes.clear();
          } else {
            changes.add(new LoggedChange(message.getOffset(), ChangeMessages.read(message)));
          }
          return changes.size() < slice;
        });
    return changes;
  }

  private void settleReturns() throws IOException {
    read(NEWEST, message -> true);
  }

  /**
   * Reads what the log has since the last snapshot, and settles each return to another.
   *
   * @param wantsMore is told of each change, and of a return once it is settled
   */
  private void read(long most, Predicate<Change> wantsMore) throws IOException {
    for (long from = last.offset() + 1; from <= Math.min(most, records.end()); ) {
      for (LogRecord record : records.read(from, READ_BYTES)) {
        if (record.offset() > most) {
          break;
        }
        from = record.offset() + 1;
        Change message = CatalogWriter.message(record);
        if (message.hasRolledBack()) {
          settle(record.offset(), message.getRolledBack().getSnapshotOffset());
        }
        if (from > doubted) {
          doubted = 0;
        }
        if (!wantsMore.test(message)) {
          return;
        }
      }
    }
  }

  /**
   * Later than the last snapshot whatever the clock says: those of one offset are told apart by it.
   */
  private long now() {
    return Math.max(System.currentTimeMillis(), last.manifest().publishedMillis() + 1);
  }

  /** Publishes a return: the content of the one snapshot at the offset of the change. */
  private void settle(long offset, long to) throws IOException {
    Optional<SnapshotManifest> wanted = store.manifest(to);
    if (wanted.isEmpty()) {
      throw new IOException(
          "the snapshot of offset " + to + ", which offset " + offset + " returns to, is gone");
    }
    settle(offset, store.open(wanted.get()));
  }

  private void settle(long offset, Snapshot wanted) throws IOException {
    SnapshotManifest manifest = wanted.manifest().at(LogPlace.of(records, offset), now());
    Snapshot same = wanted.at(manifest);
    store.publish(manifest);
    last = same;
    dropPassing();
    doubted = 0;
    log.info("offset {}: the catalogue is that of offset {} again", offset, wanted.offset());
    clear();
    deleteOthers();
  }

  private void run() {
    while (!closed) {
      try {
        Snapshot now = last;
        long due = now.offset() + settings.changesAllowed(now.manifest().itemCount());
        boolean many = records.await(due, POLL);
        // Who was overtaken leaves it to the other: each would drop parts of what the other writes.
        if (!records.isWriter()) {
          // Nor may it wait at a log that has ended.
          pause();
        } else if (!closed && (many || mayHaveReturned() || isOld(now))) {
          var unused = publish();
        }
      } catch (InterruptedException e) {
        return;
      } catch (IOException | RuntimeException | Error e) {
        if (!closed) {
          store.metrics().failed(SnapshotMetrics.Step.PUBLISH);
          log.error("no snapshot was published after that of offset {}", last.offset(), e);
          pause();
        }
      }
    }
  }

  /** Whether a return that nobody knows the fate of is in the log, or another record instead. */
  private boolean mayHaveReturned() {
    long at = doubted;
    return at > 0 && records.end() >= at;
  }

  private boolean isOld(Snapshot snapshot) {
    return records.end() > snapshot.offset()
        && System.currentTimeMillis() - snapshot.manifest().publishedMillis()
            >= settings.maxAge().toMillis();
  }

  private void pause() {
    try {
      synchronized (this) {
        TimeUnit.MILLISECONDS.timedWait(this, PAUSE.toMillis());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Publishes the catalogue as it is, unless the newest snapshot is that. */
  synchronized SnapshotManifest publish() throws IOException {
    return publish(NEWEST);
  }

  private SnapshotManifest publish(long offset) throws IOException {
    requireWriter();
    List<LoggedChange> since = since(offset);
    if (since.isEmpty()) {
      return last.manifest();
    }
    while (!since.isEmpty()) {
      requireWriter();
      publish(last.state(), since);
      dropPassing();
      passing = last.manifest();
      since = since.size() < slice ? List.of() : since(offset);
    }
    // The last of them was asked for.
    passing = null;
    requireWriter();
    clear();
    return last.manifest();
  }

  /** Nobody asked for it: it must not be kept in the place of an older one. */
  private void dropPassing() {
    SnapshotManifest dropped = passing;
    if (dropped != null) {
      try {
        store.drop(dropped);
      } catch (IOException | RuntimeException e) {
        store.metrics().failed(SnapshotMetrics.Step.PRUNE);
        log.warn("the snapshot of offset {} was not dropped", dropped.offset(), e);
      }
      passing = null;
    }
  }

  /** Each of two who publish would drop parts of what the other writes. */
  private void requireWriter() {
    if (closed) {
      throw RequestException.unavailable("the catalogue's writer is stopping");
    }
    if (!records.isWriter()) {
      throw RequestException.failedPrecondition(
          "snapshots: not published here (expected: at the writer whose changes the log takes)");
    }
  }

  private void publish(CatalogState before, List<LoggedChange> since) throws IOException {
    try {
      tryToPublish(before, since);
    } catch (IOException | RuntimeException | Error e) {
      // Its files would stay, and those of the next attempt.
      deleteOthers();
      throw e;
    }
  }

  private void tryToPublish(CatalogState before, List<LoggedChange> since) throws IOException {
    long start = System.nanoTime();
    throttle.begin();
    CatalogState state = before.after(since);
    long due = state.offset() + settings.changesAllowed(state.items().size());
    LogPlace place = since.isEmpty() ? last.place() : LogPlace.of(records, state.offset());
    SnapshotManifest manifest =
        new SnapshotFiles(store, place, () -> pace(due))
            .write(state.only(bundles), last, since, now());
    Snapshot opened = store.open(manifest);
    store.publish(manifest);
    last = opened;
    log.info(
        "published {} items with {} changes at offset {} in {} ms",
        manifest.itemCount(),
        since.size(),
        manifest.offset(),
        TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
    deleteOthers();
  }

  /** Deletes the files here that are not the last snapshot's. */
  private void deleteOthers() {
    try {
      store.keepOnly(last);
    } catch (IOException | RuntimeException e) {
      store.metrics().failed(SnapshotMetrics.Step.PRUNE);
      log.warn("files that no snapshot here needs were not deleted", e);
    }
  }

  /**
   * Lets a busy machine be, until the next snapshot is due: those who follow pay more for a delta
   * that grows on.
   */
  private void pace(long due) {
    if (records.end() < due) {
      throttle.run();
    }
  }

  /** Old snapshots cost room, no more: that they cannot be dropped stops nothing. */
  private void clear() {
    try {
      Optional<SnapshotManifest> oldest = store.prune(settings.keep());
      if (oldest.isPresent()) {
        // The change at that offset stays: who begins with the snapshot is compared with it.
        records.dropBefore(oldest.get().offset());
      }
    } catch (IOException | RuntimeException e) {
      store.metrics().failed(SnapshotMetrics.Step.PRUNE);
      log.warn("old snapshots were not dropped", e);
    }
  }

  /** The newest snapshot. */
  Snapshot last() {
    return last;
  }

  /** What is kept, newest first. */
  List<SnapshotManifest> kept() throws IOException {
    return store.manifests();
  }

  /**
   * Takes the catalogue back to a snapshot that is kept.
   *
   * @param to its offset
   * @param append writes the return to the log, with what it is given then; gives its offset
   * @return the offset of the return
   * @throws RequestException when there is no such snapshot, or it does not fit or verify
   * @throws IOException when the return is in the log, but could not be published; it is later
   * @throws LogException when it could not be written, or nobody knows; if it was, it is published
   */
  synchronized long rollBack(long to, Append append) throws IOException {
    if (mayHaveReturned()) {
      settleReturns();
    }
    SnapshotManifest wanted = store.manifest(to).orElseThrow(() -> notKept(to));
    if (!wanted.tries().keySet().containsAll(bundles)) {
      throw RequestException.failedPrecondition(
          "snapshot_offset: %d has semantic ids of %s (expected: of %s)"
              .formatted(to, wanted.tries().keySet(), bundles));
    }
    Snapshot opened;
    try {
      opened = store.open(wanted);
      opened.documents();
    } catch (IOException e) {
      store.metrics().failed(SnapshotMetrics.Step.OPEN);
      log.error("the snapshot of offset {} cannot be returned to", to, e);
      throw RequestException.failedPrecondition(
          "snapshot_offset: " + to + " does not verify (expected: a sound snapshot)");
    }
    return append.append(
        new Append.Then() {
          @Override
          public void begin(long offset) {
            if (mayHaveReturned()) {
              throw RequestException.unavailable("an earlier rollback is not published yet");
            }
            // An append that fails may have got in all the same.
            doubted = offset;
          }

          @Override
          public void with(long offset) throws IOException {
            settle(offset, opened);
          }
        });
  }

  private RequestException notKept(long to) {
    List<Long> offsets = List.of();
    try {
      offsets = kept().stream().map(SnapshotManifest::offset).toList();
    } catch (IOException e) {
      log.warn("the store cannot be listed", e);
    }
    return RequestException.notFound(
        "snapshot_offset: " + to + " (expected: one of " + offsets + ")");
  }

  /** Writes a return to the log. */
  interface Append {
    /** Appends it, and does what is to be done before any other change is written. */
    long append(Then then) throws IOException;

    /** What is done with the offset of the return. */
    interface Then {
      /** It is about to be appended there. */
      void begin(long offset);

      /** It is in the log. */
      void with(long offset) throws IOException;
    }
  }

  @Override
  public void close() {
    closed = true;
    synchronized (this) {
      notifyAll();
    }
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}

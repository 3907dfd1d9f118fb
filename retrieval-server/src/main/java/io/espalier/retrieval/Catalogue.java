package io.espalier.retrieval;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogFollower;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.DeltaBounds;
import io.espalier.catalog.LogPlace;
import io.espalier.catalog.LoggedChange;
import io.espalier.catalog.Snapshot;
import io.espalier.catalog.SnapshotStore;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The catalogue that every source of a server searches: a snapshot and the changes that were
 * followed since, behind one reference.
 *
 * <p>Where snapshots are published, a newer one takes the place of the one before: it is mapped
 * beside the readers, what was followed since is put on top of it, and the reference changes. Where
 * none are, or none came for long, one is made of the snapshot and its changes in memory. No reader
 * waits for either.
 */
final class Catalogue implements CatalogFollower.Listener {
  private static final Logger log = LoggerFactory.getLogger(Catalogue.class);

  // Where snapshots are published, so many times the changes that one is due after are waited for
  // before one is made in memory.
  private static final int LATE = 10;
  // So many batches that come while others are put on top of a snapshot are awaited; what comes
  // then is put there while the follower waits.
  private static final int AWAITED = 5;
  // So many of the filters that were asked for last are compiled before a snapshot is searched.
  private static final int FILTERS = 16;

  private final Executor rebuilder;
  private final @Nullable SnapshotStore snapshots;
  private final List<SnapshotListener> listeners = new CopyOnWriteArrayList<>();
  private volatile CatalogueView view;
  private final AtomicLong swaps = new AtomicLong();
  // The offset of the snapshot under the view, and what was followed since.
  private long snapshotOffset;
  private List<LoggedChange> tail = new ArrayList<>();
  // The newest published snapshot that was told of, and the newest that was tried.
  private long newest;
  private long tried;
  private boolean rebuilding;
  // What was begun before a restart comes to nothing.
  private int restarts;

  /**
   * A catalogue.
   *
   * @param state what it is at first
   * @param snapshots where newer snapshots come from; null when none do
   * @param rebuilder maps a snapshot or makes one, for up to seconds of one core
   */
  Catalogue(CatalogState state, @Nullable SnapshotStore snapshots, Executor rebuilder) {
    this.snapshots = snapshots;
    this.rebuilder = rebuilder;
    this.view = CatalogueView.of(state);
    this.snapshotOffset = state.offset();
  }

  /** The ids of the snapshot's items, as the catalogue is now. */
  ItemIds ids() {
    return view.items().snapshotIds();
  }

  /**
   * Adds the semantic ids of a bundle, unless the snapshot has them; before changes are followed.
   *
   * @param trie makes those of the snapshot's items
   */
  synchronized void add(BundleId bundle, Supplier<SemanticIdTrie> trie) {
    if (!view.state().tries().containsKey(bundle)) {
      view = view.with(bundle, LiveTrie.of(trie.get()));
    }
  }

  /** Hears of snapshots, on the thread that makes them. */
  interface SnapshotListener {
    /**
     * A view over a new snapshot comes; it takes its place when this returns.
     *
     * @param filters that were asked for lately, and will be again
     */
    void coming(CatalogueView view, List<ItemFilter> filters);

    /** A view has taken its place; what was there before is searched by earlier requests alone. */
    default void replaced(CatalogueView view) {}
  }

  /** Adds a listener, and tells it of the snapshot that is there. */
  synchronized void add(SnapshotListener listener) {
    listener.coming(view, List.of());
    listeners.add(listener);
  }

  /** Adds a source that numbers items in its own way; before changes are followed. */
  synchronized void add(ItemIds source) {
    view = view.with(source);
  }

  /** Adds a source that searches the items' texts; before changes are followed. */
  synchronized void add(KnownTexts texts) {
    view = view.with(texts);
  }

  /** The catalogue as it is now; a request keeps to the one that it started with. */
  CatalogueView view() {
    return view;
  }

  /** How often a snapshot took the place of the one before. */
  long swaps() {
    return swaps.get();
  }

  /**
   * Waits for an offset.
   *
   * @return the catalogue then; that of an earlier offset when the patience was not enough
   */
  CatalogueView await(long offset, long patienceNanos) throws InterruptedException {
    CatalogueView now = view;
    if (now.offset() >= offset) {
      return now;
    }
    long end = System.nanoTime() + patienceNanos;
    synchronized (this) {
      for (long left = patienceNanos;
          view.offset() < offset && left > 0;
          left = end - System.nanoTime()) {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
      return view;
    }
  }

  @Override
  public synchronized void changed(List<LoggedChange> changes) {
    view.texts().keySet().forEach(texts -> texts.learnOf(changes));
    view = view.after(changes);
    tail.addAll(changes);
    notifyAll();
    rebuildIfDue();
  }

  @Override
  public synchronized void published(long offset) {
    newest = Math.max(newest, offset);
    rebuildIfDue();
  }

  private void rebuildIfDue() {
    if (rebuilding) {
      return;
    }
    CatalogueView now = view;
    SnapshotStore store = snapshots;
    int allowed = DeltaBounds.changesAllowed(now.items().size());
    int epoch = restarts;
    if (store != null && newest > Math.max(snapshotOffset, tried) && newest <= now.offset()) {
      tried = newest;
      long least = snapshotOffset + 1;
      rebuilding = true;
      rebuilder.execute(() -> rebuild(() -> fetched(store, least, now), epoch));
    } else if (now.items().changes() > (store == null ? allowed : LATE * allowed)) {
      rebuilding = true;
      rebuilder.execute(() -> rebuild(now::compacted, epoch));
    }
  }

  /** The newest published snapshot that a view can be exchanged for, beside the same sources. */
  private static CatalogueView fetched(SnapshotStore store, long least, CatalogueView before) {
    Snapshot snapshot =
        newest(store, least, before.offset(), before)
            .orElseThrow(() -> new IllegalStateException("none of offset " + least + " or later"));
    return over(before, snapshot);
  }

  private static CatalogueView over(CatalogueView before, Snapshot snapshot) {
    return before.over(snapshot.state().only(before.state().tries().keySet()));
  }

  private static Optional<Snapshot> newest(
      SnapshotStore store, long least, long most, CatalogueView before) {
    try {
      Optional<Snapshot> snapshot = store.newest(least, most, before.state().tries().keySet());
      if (snapshot.isPresent()) {
        store.keepOnly(snapshot.get());
      }
      return snapshot;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes a view, puts what was followed meanwhile on top of it, and changes the reference. */
  private void rebuild(Supplier<CatalogueView> maker, int epoch) {
    long start = System.nanoTime();
    try {
      CatalogueView made = maker.get();
      coming(made);
      CatalogueView now = made;
      List<LoggedChange> since = since(now);
      for (int n = 0; n < AWAITED && !since.isEmpty(); n++) {
        now = now.after(since);
        since = since(now);
      }
      synchronized (this) {
        if (restarts == epoch) {
          view = now.after(since(now));
          tail = since(made);
          snapshotOffset = made.offset();
          countSwap();
          log.info(
              "a snapshot of {} items, offset {}, took the place of the one before after {} ms; {}"
                  + " changes came since",
              made.items().size(),
              made.offset(),
              TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start),
              tail.size());
        }
      }
      // Whichever stands, the snapshot under any other is searched by earlier requests alone.
      CatalogueView stands = view;
      listeners.forEach(listener -> listener.replaced(stands));
    } catch (RuntimeException | Error e) {
      log.error("no new snapshot took the place of that of offset {}", view.offset(), e);
    } finally {
      synchronized (this) {
        rebuilding = false;
      }
    }
  }

  private void coming(CatalogueView made) {
    List<ItemFilter> filters = view.items().snapshot().lastCompiled(FILTERS);
    filters.forEach(made.items()::matchingInSnapshot);
    listeners.forEach(listener -> listener.coming(made, filters));
  }

  private void countSwap() {
    swaps.incrementAndGet();
    if (snapshots != null) {
      snapshots.swapped();
    }
  }

  /** What was followed since an earlier view; it is not before the snapshot under this one. */
  private synchronized List<LoggedChange> since(CatalogueView earlier) {
    int from = tail.size();
    while (from > 0 && tail.get(from - 1).offset() > earlier.offset()) {
      from--;
    }
    return new ArrayList<>(tail.subList(from, tail.size()));
  }

  @Override
  public Optional<LogPlace> restart(long least) {
    SnapshotStore store = snapshots;
    if (store == null) {
      return Optional.empty();
    }
    CatalogueView before = view;
    Optional<Snapshot> snapshot = newest(store, least, Long.MAX_VALUE, before);
    if (snapshot.isEmpty()) {
      return Optional.empty();
    }
    synchronized (this) {
      // Before texts change: a view that is being made has some of before and some of after.
      restarts++;
    }
    learn(before, snapshot.get());
    CatalogueView now =
        CompletableFuture.supplyAsync(
                () -> {
                  CatalogueView made = over(before, snapshot.get());
                  coming(made);
                  return made;
                },
                rebuilder)
            .join();
    synchronized (this) {
      countSwap();
      view = now;
      snapshotOffset = now.offset();
      tail = new ArrayList<>();
      // A log that lost changes gives their offsets anew; the newest is told of again and again.
      newest = 0;
      tried = 0;
      notifyAll();
    }
    listeners.forEach(listener -> listener.replaced(now));
    return Optional.of(snapshot.get().place());
  }

  /** What was followed is not that snapshot's: its texts may be others. */
  private static void learn(CatalogueView before, Snapshot snapshot) {
    try {
      for (KnownTexts texts : before.texts().keySet()) {
        texts.learn(snapshot);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

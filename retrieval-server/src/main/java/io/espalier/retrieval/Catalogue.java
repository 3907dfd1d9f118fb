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
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.fm.LiveFm;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
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
  // before one is made in memory; and anywhere as many of the same few items.
  private static final int LATE = 10;
  // So often what was followed meanwhile is put on top of a snapshot before the follower does it.
  private static final int CAUGHT_UP = 5;
  // A snapshot waits so long for changes that are to come with it.
  private static final Duration HANDED_OVER = Duration.ofMillis(200);
  // A snapshot that has what this one lacks is looked for so often at most.
  private static final Duration COMPLETER = Duration.ofMillis(100);
  // A source that joins waits so long for the changes up to the newest snapshot.
  private static final Duration FOLLOWED = Duration.ofSeconds(10);
  // Fewer texts than twice as many are not looked through for those that nobody needs.
  private static final int FEW_TEXTS = 1000;
  // So many of the filters that were asked for last are compiled before a snapshot is searched.
  private static final int FILTERS = 16;

  private final Executor rebuilder;
  private final @Nullable SnapshotStore snapshots;
  private final List<SnapshotListener> listeners = new CopyOnWriteArrayList<>();
  private volatile CatalogueView view;
  private final AtomicLong swaps = new AtomicLong();
  // The offset of the snapshot under the view, and what was followed since, as it was logged: which
  // ids its items have beside is a matter of the sources that are here.
  private long snapshotOffset;
  private List<LoggedChange> tail = new ArrayList<>();
  // The newest published snapshot that was told of, and the newest that was tried.
  private long newest;
  private long tried;
  private boolean rebuilding;
  // What was made and waits for the follower to take it; null when nothing does.
  private @Nullable Ready ready;
  // What was begun before a restart comes to nothing.
  private int restarts;
  // Whether a source joins; the snapshot stays the one that it is meanwhile.
  private boolean joining;
  private boolean restarting;
  private boolean waitsToRestart;
  // Whether the log gave ids before the snapshot that the snapshot may lack: another of the same
  // offset may have them.
  private boolean lacking;
  private long completerTried = System.nanoTime();
  // What is taken out again when the source that joins leaves; null when none joins.
  private @Nullable List<Runnable> undo;
  // What sources have added.
  private final LiveBundles bundles = new LiveBundles();
  private final Set<ItemIds> sources = new HashSet<>();
  private final Set<KnownTexts> texts = new HashSet<>();

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

  /** The semantic ids that a bundle was trained on. */
  interface OwnIds {
    /** Those of a snapshot's items; items that it was not trained on have none. */
    SemanticIdTrie trie(ItemIds items);

    /** That of an item; empty when it was not trained on it. */
    List<Integer> of(String id);

    /** What those that the log and snapshots give must be. */
    IdShape shape();
  }

  /** The first sources are there; snapshots must have the ids of their bundles. */
  synchronized void started() {
    bundles.started();
  }

  /** Takes note of bundles that a snapshot has ids of, whether a source here has them or not. */
  synchronized void knowOf(Set<BundleId> ofSnapshot) {
    bundles.pass(ofSnapshot);
  }

  /**
   * A source that joined.
   *
   * @param leave takes out what it added; once, when no request uses it any more
   */
  record Joined<T>(T source, Runnable leave) {}

  /**
   * Lets a source add what it needs, also while changes are followed. Requests do not wait; a
   * snapshot takes another's place before or after it.
   *
   * @param opener adds to this catalogue; when it fails all that it added is taken out
   */
  <T> Joined<T> join(Supplier<T> opener) {
    List<Runnable> added = new ArrayList<>();
    beginJoining();
    undo = added;
    try {
      return new Joined<>(opener.get(), () -> added.reversed().forEach(Runnable::run));
    } catch (RuntimeException | Error e) {
      added.reversed().forEach(Runnable::run);
      throw e;
    } finally {
      undo = null;
      endJoining();
    }
  }

  private synchronized void beginJoining() {
    awaitUnless(() -> joining || rebuilding || restarting);
    joining = true;
  }

  private synchronized void endJoining() {
    joining = false;
    notifyAll();
    rebuildIfDue();
  }

  private synchronized void awaitUnless(BooleanSupplier busy) {
    try {
      while (busy.getAsBoolean()) {
        wait();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("the server is stopping", e);
    }
  }

  private void added(Runnable takeOut) {
    List<Runnable> all = undo;
    if (all != null) {
      all.add(takeOut);
    }
  }

  /**
   * Adds the semantic ids of a bundle: those that the snapshot has, or a published one, or the
   * bundle's own.
   */
  void add(BundleId bundle, OwnIds own) {
    synchronized (this) {
      bundles.add(bundle, own, tail);
    }
    added(() -> remove(bundle));
    if (has(bundle) || (mayBePublished(bundle) && isFetchedFor(bundle))) {
      return;
    }
    ItemAttributes ofSnapshot = view.items().snapshot();
    LiveTrie trie = LiveTrie.of(own.trie(ofSnapshot.ids()));
    synchronized (this) {
      CatalogState alone =
          new CatalogState(snapshotOffset, LiveItems.of(ofSnapshot), Map.of(bundle, trie));
      view =
          view.with(
              bundle,
              Objects.requireNonNull(alone.after(bundles.withOwnIds(tail)).tries().get(bundle)));
      if (bundles.isPassed(bundle)) {
        log.warn(
            "{}: items that came before offset {} may have ids of it that are not known here; they"
                + " have none until they change, or the catalogue's writer loads it again",
            bundle,
            snapshotOffset);
      }
    }
  }

  private boolean has(BundleId bundle) {
    return view.state().tries().containsKey(bundle);
  }

  private synchronized boolean mayBePublished(BundleId bundle) {
    return joining || bundles.isPassed(bundle);
  }

  /** Exchanges the snapshot for a published one that has a bundle's ids, where there is one. */
  private boolean isFetchedFor(BundleId bundle) {
    SnapshotStore store = snapshots;
    if (store == null) {
      return false;
    }
    Set<BundleId> wanted = required();
    wanted.add(bundle);
    Optional<Snapshot> snapshot = newest(store, snapshotOffset, Long.MAX_VALUE, wanted);
    if (snapshot.isEmpty()) {
      return false;
    }
    awaitFollowed(snapshot.get().offset());
    CatalogueView before = view;
    if (before.offset() < snapshot.get().offset()) {
      return false;
    }
    CatalogueView made = over(before, snapshot.get());
    coming(made);
    synchronized (this) {
      List<LoggedChange> later = tailSince(made);
      view = made.after(bundles.withOwnIds(later)).retaining(bundles.all(), sources, texts);
      bundles.know(tail, snapshot.get().state().tries().keySet());
      tail = later;
      snapshotOffset = made.offset();
      countSwap();
      notifyAll();
    }
    CatalogueView stands = view;
    listeners.forEach(listener -> listener.replaced(stands));
    return true;
  }

  private void awaitFollowed(long offset) {
    try {
      // A follower that restarts waits for whoever joins, and follows nothing meanwhile.
      var unused = await(offset, FOLLOWED.toNanos(), () -> waitsToRestart);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("the server is stopping", e);
    }
  }

  private synchronized void remove(BundleId bundle) {
    bundles.remove(bundle);
    view = view.retaining(bundles.all(), sources, texts);
  }

  /** Bundles whose ids a snapshot must have. */
  private synchronized Set<BundleId> required() {
    return bundles.required(view.state().tries().keySet());
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
  void add(SnapshotListener listener) {
    listener.coming(view, List.of());
    listeners.add(listener);
    added(() -> listeners.remove(listener));
  }

  /** Adds a source that numbers items in its own way. */
  void add(ItemIds source) {
    SnapshotIndices indices = SnapshotIndices.of(source, view.items().snapshotIds());
    synchronized (this) {
      sources.add(source);
      view = view.with(source, indices);
    }
    added(() -> remove(source));
  }

  private synchronized void remove(ItemIds source) {
    sources.remove(source);
    view = view.retaining(bundles.all(), sources, texts);
  }

  /** Adds a source that searches the items' texts. */
  void add(KnownTexts known) {
    CatalogState snapshot = view.snapshotOnly(snapshotOffset);
    LiveFm ofSnapshot = known.index(snapshot);
    synchronized (this) {
      texts.add(known);
      known.learnOf(tail);
      view =
          view.with(
              known,
              tail.isEmpty()
                  ? ofSnapshot
                  : known.after(ofSnapshot, snapshot.items(), tail, view.state()));
    }
    added(() -> remove(known));
  }

  private synchronized void remove(KnownTexts known) {
    // Its tokenizer goes with it, and may be at work.
    awaitUnless(() -> rebuilding || restarting);
    texts.remove(known);
    view = view.retaining(bundles.all(), sources, texts);
  }

  /**
   * Tells the texts of the snapshot's items, for a source that joins.
   *
   * @param first the items before any change
   * @throws IOException when they are not known any more, or cannot be read
   */
  void tell(KnownTexts known, Supplier<List<CatalogItem>> first) throws IOException {
    SnapshotStore store = snapshots;
    if (store != null) {
      known.learn(
          newest(store, snapshotOffset, view.offset(), Set.of())
              .orElseThrow(() -> new IOException("no snapshot tells the texts of the items")));
    } else if (swaps() == 0) {
      known.learn(first.get());
    } else {
      throw new IOException(
          "the texts of items that changed are not known any more (expected: published"
              + " snapshots)");
    }
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
    return await(offset, patienceNanos, () -> false);
  }

  /** As above, unless it is in vain; that is asked under this catalogue's lock. */
  private CatalogueView await(long offset, long patienceNanos, BooleanSupplier inVain)
      throws InterruptedException {
    CatalogueView now = view;
    if (now.offset() >= offset) {
      return now;
    }
    long end = System.nanoTime() + patienceNanos;
    synchronized (this) {
      for (long left = patienceNanos;
          view.offset() < offset && !inVain.getAsBoolean() && left > 0;
          left = end - System.nanoTime()) {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
      return view;
    }
  }

  @Override
  public synchronized void changed(List<LoggedChange> logged) {
    bundles.check(logged);
    bundles.given(logged);
    texts.forEach(known -> known.learnOf(logged));
    int followed = tail.size();
    tail.addAll(logged);
    try {
      if (!isReadyTaken()) {
        view = view.after(bundles.withOwnIds(logged));
      }
    } catch (RuntimeException | Error e) {
      // They are followed again, also where memory was short.
      tail.subList(followed, tail.size()).clear();
      throw e;
    }
    notifyAll();
    rebuildIfDue();
  }

  /**
   * Returns whether a view that waited took the place of the one before, with what was followed.
   */
  private boolean isReadyTaken() {
    Ready waiting = ready;
    if (waiting == null) {
      return false;
    }
    try {
      exchange(waiting);
      return true;
    } catch (RuntimeException | Error e) {
      // It costs the snapshot, not those who follow.
      ready = null;
      log.error("no new snapshot took the place of that of offset {}", snapshotOffset, e);
      return false;
    }
  }

  @Override
  public synchronized void published(long offset) {
    newest = Math.max(newest, offset);
    rebuildIfDue();
  }

  private void rebuildIfDue() {
    if (rebuilding || joining) {
      return;
    }
    CatalogueView now = view;
    SnapshotStore store = snapshots;
    int allowed = DeltaBounds.changesAllowed(now.items().size());
    int epoch = restarts;
    boolean later = newest > Math.max(snapshotOffset, tried);
    // The same items change again and again: all of it is kept until a snapshot takes it in.
    boolean tooLong = tail.size() > LATE * allowed;
    boolean completer =
        lacking
            && newest >= snapshotOffset
            && !tooLong
            && System.nanoTime() - completerTried > COMPLETER.toNanos();
    if (store != null && (later || completer) && newest <= now.offset()) {
      tried = newest;
      completerTried = System.nanoTime();
      long least = snapshotOffset;
      Set<BundleId> all = all();
      Set<BundleId> required = required();
      Supplier<Optional<Made>> newer =
          () -> later ? fetched(store, least + 1, now, required) : Optional.empty();
      Supplier<Optional<Made>> maker =
          completer
              // Else one that still lacks it, as where the writer never has the bundle.
              ? () -> fetched(store, least, now, all).or(newer)
              : newer;
      rebuilding = true;
      rebuilder.execute(() -> rebuild(maker, epoch));
    } else if (tooLong || now.items().changes() > (store == null ? allowed : LATE * allowed)) {
      rebuilding = true;
      rebuilder.execute(
          () -> rebuild(() -> Optional.of(new Made(now.compacted(), Set.of())), epoch));
    }
  }

  /**
   * A view that is to take another's place.
   *
   * @param given bundles that the published snapshot under it has ids of; none where it was made
   *     here
   */
  private record Made(CatalogueView view, Set<BundleId> given) {}

  /**
   * A view that takes another's place with what is followed next; the catalogue's lock guards it.
   */
  private static final class Ready {
    final Made made;
    // That view and what was followed since it was begun.
    final CatalogueView now;
    boolean taken;

    Ready(Made made, CatalogueView now) {
      this.made = made;
      this.now = now;
    }
  }

  /**
   * The newest published snapshot that a view can be exchanged for, beside the same sources; empty
   * while none has the ids of a bundle that joined.
   */
  private Optional<Made> fetched(
      SnapshotStore store, long least, CatalogueView before, Set<BundleId> wanted) {
    return newest(store, least, before.offset(), wanted)
        .map(snapshot -> new Made(over(before, snapshot), snapshot.state().tries().keySet()));
  }

  /** A snapshot beside the sources of an earlier view; bundles that it lacks have their own ids. */
  private CatalogueView over(CatalogueView before, Snapshot snapshot) {
    CatalogState state = snapshot.state();
    Map<BundleId, OwnIds> own;
    synchronized (this) {
      own = bundles.own();
    }
    CatalogState complete = state.only(own.keySet());
    for (Map.Entry<BundleId, OwnIds> bundle : own.entrySet()) {
      BundleId id = bundle.getKey();
      LiveTrie given = complete.tries().get(id);
      if (given == null) {
        SemanticIdTrie trie = bundle.getValue().trie(state.items().snapshotIds());
        complete = complete.with(id, LiveTrie.of(trie));
      } else {
        bundle.getValue().shape().check(id, given.snapshot());
      }
    }
    return before.over(complete);
  }

  private static Optional<Snapshot> newest(
      SnapshotStore store, long least, long most, Set<BundleId> bundles) {
    try {
      Optional<Snapshot> snapshot = store.newest(least, most, bundles);
      if (snapshot.isPresent()) {
        store.keepOnly(snapshot.get());
      }
      return snapshot;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Makes a view, puts what was followed meanwhile on top of it, and has it take its place: with
   * what is followed next, on the follower's thread, which would wait for this one otherwise, whose
   * priority is the lowest, while changes that come all the time were caught up with.
   */
  private void rebuild(Supplier<Optional<Made>> maker, int epoch) {
    long start = System.nanoTime();
    try {
      Optional<Made> possible = maker.get();
      if (possible.isEmpty()) {
        return;
      }
      Made made = possible.get();
      coming(made.view());
      CatalogueView now = made.view();
      List<LoggedChange> since = since(now);
      for (int n = 0; n < CAUGHT_UP && !since.isEmpty(); n++) {
        now = now.after(since);
        since = since(now);
      }
      if (handedOver(new Ready(made, now), epoch)) {
        log.info(
            "a snapshot of {} items, offset {}, took the place of the one before after {} ms",
            made.view().items().size(),
            made.view().offset(),
            TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
      }
      // Whichever stands, the snapshot under any other is searched by earlier requests alone.
      CatalogueView stands = view;
      listeners.forEach(listener -> listener.replaced(stands));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      log.error("no new snapshot took the place of that of offset {}", view.offset(), e);
    } finally {
      synchronized (this) {
        ready = null;
        rebuilding = false;
        notifyAll();
      }
    }
  }

  /** Returns whether it took its place; it does not where the catalogue began anew meanwhile. */
  private synchronized boolean handedOver(Ready made, int epoch) throws InterruptedException {
    if (restarts == epoch) {
      ready = made;
      long end = System.nanoTime() + HANDED_OVER.toNanos();
      for (long left = HANDED_OVER.toNanos();
          ready != null && left > 0 && !tailSince(made.now).isEmpty();
          left = end - System.nanoTime()) {
        TimeUnit.NANOSECONDS.timedWait(this, left);
      }
      if (ready != null) {
        exchange(made);
      }
    }
    return made.taken;
  }

  /** All that may fail comes before anything is another's. */
  private synchronized void exchange(Ready waiting) {
    Made given = waiting.made;
    // A source may have left meanwhile.
    CatalogueView next =
        waiting.now.after(since(waiting.now)).retaining(bundles.all(), sources, texts);
    List<LoggedChange> later = tailSince(given.view());
    bundles.know(tail, given.given());
    forgetTexts(next.items(), later);
    view = next;
    tail = later;
    snapshotOffset = given.view().offset();
    lacking &= !given.given().containsAll(bundles.all());
    ready = null;
    waiting.taken = true;
    countSwap();
  }

  /** What left long ago need not be known any more; now and then, since it is looked for in all. */
  private void forgetTexts(LiveItems items, List<LoggedChange> since) {
    Set<String> upserted = new HashSet<>();
    for (KnownTexts known : texts) {
      if (known.size() > 2L * Math.max(FEW_TEXTS, items.size())) {
        if (upserted.isEmpty()) {
          since.forEach(logged -> upserted.add(logged.change().id()));
        }
        // Those of a view between the snapshot and this one may be written yet.
        known.keepOnly(id -> items.snapshotIds().indexOf(id) >= 0 || upserted.contains(id));
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

  /** What was followed since an earlier view, with the ids that its items have here. */
  private synchronized List<LoggedChange> since(CatalogueView earlier) {
    return bundles.withOwnIds(tailSince(earlier));
  }

  /** As it was logged; the view is not before the snapshot under this one. */
  private synchronized List<LoggedChange> tailSince(CatalogueView earlier) {
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
    synchronized (this) {
      waitsToRestart = true;
      notifyAll();
      try {
        awaitUnless(() -> joining);
      } finally {
        waitsToRestart = false;
      }
      restarting = true;
    }
    try {
      return restart(store, least);
    } finally {
      synchronized (this) {
        restarting = false;
        notifyAll();
      }
    }
  }

  private synchronized Set<BundleId> all() {
    return Set.copyOf(bundles.all());
  }

  /** Bundles that are there since the start. */
  private synchronized Set<BundleId> atFirst() {
    return bundles.atFirst(view.state().tries().keySet());
  }

  private Optional<LogPlace> restart(SnapshotStore store, long least) {
    CatalogueView before = view;
    // With the ids of all bundles, also those that joined: the log may have given them before it.
    Optional<Snapshot> snapshot = newest(store, least, Long.MAX_VALUE, all());
    boolean jumps = false;
    if (snapshot.isEmpty()) {
      // The writer may be about to give ids of a bundle that joined; it begins anew after a return,
      // and all of them are followed from there.
      snapshot = newest(store, least, least, atFirst());
    }
    if (snapshot.isEmpty()) {
      jumps = true;
      snapshot = newest(store, least, Long.MAX_VALUE, atFirst());
    }
    if (snapshot.isEmpty()) {
      return Optional.empty();
    }
    Snapshot begun = snapshot.get();
    synchronized (this) {
      // Before texts change: a view that is being made has some of before and some of after.
      restarts++;
      ready = null;
      notifyAll();
    }
    learn(before, begun);
    CatalogueView now =
        CompletableFuture.supplyAsync(
                () -> {
                  CatalogueView made = over(before, begun);
                  coming(made);
                  return made;
                },
                rebuilder)
            .join();
    synchronized (this) {
      countSwap();
      view = now.retaining(bundles.all(), sources, texts);
      bundles.restarted();
      lacking = jumps;
      snapshotOffset = now.offset();
      bundles.know(tail, begun.state().tries().keySet());
      tail = new ArrayList<>();
      forgetTexts(view.items(), tail);
      // A log that lost changes gives their offsets anew; the newest is told of again and again.
      newest = 0;
      tried = 0;
      notifyAll();
    }
    CatalogueView stands = view;
    listeners.forEach(listener -> listener.replaced(stands));
    return Optional.of(begun.place());
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

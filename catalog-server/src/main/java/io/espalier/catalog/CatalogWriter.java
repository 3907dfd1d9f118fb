package io.espalier.catalog;

import com.google.protobuf.InvalidProtocolBufferException;
import io.espalier.bundles.BundleId;
import io.espalier.catalog.ChangeQueue.Waiting;
import io.espalier.catalog.v1.Change;
import io.espalier.inference.ModelException;
import io.espalier.server.RequestException;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.LostLeaseException;
import io.espalier.stores.log.RecordLog;
import io.grpc.Context;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes changes durable, in one order.
 *
 * <p>One thread takes what is waiting, gives each upserted item its semantic ids, and appends the
 * batch to the log: one force for all of it. A change and the ids that it was given are one record,
 * so that no reader ever sees half of it.
 */
final class CatalogWriter implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(CatalogWriter.class);
  private static final int QUEUED = 1024;
  private static final long QUEUED_BYTES = 32 << 20;
  private static final int BATCH = 256;
  private static final long BATCH_BYTES = 4 << 20;
  private static final Duration POLL = Duration.ofMillis(50);
  private static final int READ_BYTES = 1 << 20;
  // Others' changes wait no longer than for so many.
  private static final int GIVEN_AT_ONCE = 64;

  private final RecordLog records;
  private final Map<BundleId, ItemCoder> coders;
  private final Supplier<Optional<Snapshot>> newestSnapshot;
  private final ChangeQueue queue = new ChangeQueue(QUEUED, QUEUED_BYTES);
  private final Thread thread;
  // Tells this writer's changes from others that had, or will have, the same offsets.
  private final long epoch = LogPlace.newEpoch();
  private volatile boolean closed;
  private volatile Map<BundleId, CodeDrift.Figures> drift = Map.of();
  // Whether the coders may know of changes that did not reach the log.
  private boolean stale;
  // While items are given ids of a bundle: those that changed since, and whether all of them may
  // have.
  private @Nullable Set<String> touched;
  private boolean allTouched;
  // Whether a batch of others waits, and whether one was written since items were given ids last.
  private volatile boolean othersWait;
  private boolean othersWrote;
  // How often the catalogue went back.
  private long returns;

  /**
   * A change that is durable.
   *
   * @param offset its place in the log
   * @param change the change with the ids that it was given
   * @param withoutId the bundles that could give it none, and why
   */
  record Accepted(long offset, CatalogChange change, Map<BundleId, String> withoutId) {}

  /** A change with the ids that its item was given, and why some bundles could give it none. */
  private record Coded(
      CompletableFuture<Accepted> done,
      CatalogChange change,
      Map<BundleId, String> withoutId,
      Change message) {
    static Coded of(Waiting waiting, CatalogChange change, Map<BundleId, String> withoutId) {
      return new Coded(waiting.done(), change, withoutId, ChangeMessages.write(change));
    }
  }

  private CatalogWriter(
      RecordLog records,
      Map<BundleId, ItemCoder> coders,
      Supplier<Optional<Snapshot>> newestSnapshot) {
    this.records = records;
    this.newestSnapshot = newestSnapshot;
    this.coders = coders;
    this.thread = Thread.ofPlatform().name("catalog-writer").unstarted(this::run);
  }

  /**
   * Starts to write, after what the newest snapshot and the log already hold.
   *
   * @param coders what gives items their ids, by bundle; used by the writer alone
   * @param newestSnapshot what was published last; empty where nothing is
   */
  static CatalogWriter start(
      RecordLog records,
      Map<BundleId, ItemCoder> coders,
      Supplier<Optional<Snapshot>> newestSnapshot) {
    CatalogWriter writer = new CatalogWriter(records, new LinkedHashMap<>(coders), newestSnapshot);
    writer.replay();
    writer.drift = writer.figures();
    writer.thread.start();
    return writer;
  }

  private void replay() {
    coders.values().forEach(ItemCoder::clear);
    Optional<Snapshot> snapshot = newestSnapshot.get();
    snapshot.ifPresent(known -> read(known, this::learn));
    readLog(snapshot, this::learn);
  }

  private void readLog(Optional<Snapshot> snapshot, Consumer<CatalogChange> reader) {
    long from = snapshot.map(known -> known.offset() + 1).orElseGet(records::start);
    while (from <= records.end()) {
      for (LogRecord record : records.read(from, READ_BYTES)) {
        Change change = message(record);
        if (change.hasRolledBack()) {
          throw new LogException(
              "offset %d returns to the snapshot of offset %d, which is not published anew yet"
                  .formatted(record.offset(), change.getRolledBack().getSnapshotOffset()));
        }
        reader.accept(ChangeMessages.read(change));
        from = record.offset() + 1;
      }
    }
  }

  /** Reads the items of a snapshot that some coder has to be told of. */
  private void read(Snapshot snapshot, Consumer<CatalogChange> reader) {
    CatalogState state = snapshot.state();
    state
        .items()
        .all()
        .forEach(
            (int index) -> {
              String id = state.items().id(index);
              if (!coders.values().stream().allMatch(coder -> coder.isTrained(id))) {
                reader.accept(snapshot.upsert(index));
              }
            });
  }

  /** Gives items ids of one more bundle, from the next change on. */
  synchronized void add(BundleId bundle, ItemCoder coder) {
    coders.put(bundle, coder);
    drift = figures();
  }

  /** How often the catalogue went back since this writer started. */
  synchronized long returns() {
    return returns;
  }

  /**
   * The ids of a bundle that items have which it was not trained on.
   *
   * @param offset the last change that they know
   * @param ids by external id
   */
  record Assigned(long offset, Map<String, List<Integer>> ids) {}

  /**
   * The ids that a bundle's items have now; none when the catalogue went back meanwhile, since
   * items of then may have none.
   *
   * @param returned how often it had gone back before they were given
   */
  synchronized Optional<Assigned> assigned(BundleId bundle, long returned) {
    if (returns != returned) {
      return Optional.empty();
    }
    refresh();
    ItemCoder coder = coders.get(bundle);
    return Optional.of(new Assigned(records.end(), coder == null ? Map.of() : coder.assigned()));
  }

  private void refresh() {
    if (stale) {
      replay();
      stale = false;
      // Whatever was read before may lack what was written without anybody's knowing.
      allTouched = true;
    }
  }

  /** Gives items no more ids of a bundle; a second time does nothing. */
  synchronized void remove(BundleId bundle) {
    ItemCoder coder = coders.remove(bundle);
    if (coder != null) {
      coder.close();
      drift = figures();
    }
  }

  /**
   * Writes the items anew that a bundle was not trained on, so that each has an id of it. Other
   * changes are written in between.
   *
   * @return how many were written
   * @throws RequestException UNAVAILABLE when they cannot be
   */
  int giveIds(BundleId bundle) {
    int given = 0;
    Deque<CatalogItem> left = new ArrayDeque<>();
    boolean begun = false;
    try {
      while (true) {
        List<Waiting> batch = new ArrayList<>();
        synchronized (this) {
          letOthersWrite();
          refresh();
          if (!begun || allTouched) {
            left = new ArrayDeque<>(without(bundle).values());
            touched = new HashSet<>();
            allTouched = false;
            begun = true;
          }
          Set<String> changed = Objects.requireNonNull(touched);
          while (batch.size() < GIVEN_AT_ONCE && !left.isEmpty()) {
            CatalogItem item = left.remove();
            if (!changed.contains(item.id())) {
              batch.add(
                  new Waiting(
                      new CatalogChange.Upsert(item, Map.of()), 0, new CompletableFuture<>()));
            }
          }
          if (batch.isEmpty()) {
            return given;
          }
          write(batch);
        }
        given += accepted(batch);
      }
    } finally {
      synchronized (this) {
        touched = null;
      }
    }
  }

  /** A lock is not fair: whoever lets go of it and takes it again would have it for long. */
  private synchronized void letOthersWrite() {
    try {
      while (othersWait && !othersWrote) {
        wait();
      }
      othersWrote = false;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw stopping();
    }
  }

  private synchronized void writeOthers(List<Waiting> batch) {
    write(batch);
    othersWait = false;
    othersWrote = true;
    notifyAll();
  }

  private static int accepted(List<Waiting> batch) {
    int accepted = 0;
    for (Waiting waiting : batch) {
      try {
        waiting.done().join();
        accepted++;
      } catch (CompletionException e) {
        if (!(e.getCause() instanceof RequestException refusal)
            || refusal.code() != Status.Code.INVALID_ARGUMENT) {
          throw RequestException.unavailable(
              "items cannot be given ids at present: " + String.valueOf(e.getCause()));
        }
        log.warn("{} is given no id: {}", waiting.change().id(), refusal.getMessage());
      }
    }
    return accepted;
  }

  /** The items that a bundle was not trained on, as they are. */
  private Map<String, CatalogItem> without(BundleId bundle) {
    ItemCoder coder = coders.get(bundle);
    Map<String, CatalogItem> items = new LinkedHashMap<>();
    if (coder == null || !coder.codesNewItems()) {
      return items;
    }
    Consumer<CatalogChange> reader =
        change -> {
          if (change instanceof CatalogChange.Upsert upsert && !coder.isTrained(change.id())) {
            items.put(change.id(), upsert.item());
          } else {
            items.remove(change.id());
          }
        };
    Optional<Snapshot> snapshot = newestSnapshot.get();
    snapshot.ifPresent(known -> read(known, reader));
    readLog(snapshot, reader);
    return items;
  }

  /** A record as a message, with its offset. */
  static Change message(LogRecord record) {
    try {
      return Change.parseFrom(record.payload()).toBuilder().setOffset(record.offset()).build();
    } catch (InvalidProtocolBufferException e) {
      throw new LogException("record " + record.offset() + ": not a change", e);
    }
  }

  private void learn(CatalogChange change) {
    for (Map.Entry<BundleId, ItemCoder> coder : coders.entrySet()) {
      if (change instanceof CatalogChange.Upsert upsert) {
        coder
            .getValue()
            .learn(upsert.item(), upsert.semanticIds().getOrDefault(coder.getKey(), List.of()));
      } else {
        coder.getValue().forget(change.id());
      }
    }
  }

  /**
   * Queues a change; waits for room in the queue.
   *
   * @return fails with a {@link RequestException}, INVALID_ARGUMENT when the change itself is at
   *     fault
   */
  CompletableFuture<Accepted> submit(CatalogChange change) throws InterruptedException {
    int bytes = ChangeMessages.write(change).getSerializedSize();
    Waiting waiting = new Waiting(change, bytes, new CompletableFuture<>());
    while (!closed) {
      if (queue.offer(waiting, POLL)) {
        if (closed && queue.remove(waiting)) {
          break;
        }
        return waiting.done();
      }
    }
    throw stopping();
  }

  /** Another writer took over: a caller asks that one. */
  static RequestException overtaken() {
    return RequestException.failedPrecondition("another writer has this catalogue");
  }

  private static RequestException stopping() {
    return RequestException.unavailable("the catalogue's writer is stopping");
  }

  private void run() {
    List<Waiting> batch = List.of();
    try {
      while (!closed || !queue.isEmpty()) {
        batch = queue.take(BATCH, BATCH_BYTES, POLL);
        if (!batch.isEmpty()) {
          othersWait = true;
          writeOthers(batch);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      // Whatever ends this thread, nobody waits for it from here on.
      closed = true;
      fail(batch, stopping());
      fail(queue.takeAll(), stopping());
    }
  }

  /** Whether changes are written; never again once they are not. */
  boolean isRunning() {
    return !closed;
  }

  /**
   * Writes that the catalogue is what it was at a snapshot.
   *
   * @param then what is to be done before any other change is written
   * @throws CancellationException when the caller gave up before it was begun
   */
  synchronized long rollBack(long snapshot, SnapshotPublisher.Append.Then then) throws IOException {
    // It may have waited for a snapshot to be published: nobody expects it any more then.
    if (Context.current().isCancelled()) {
      throw new CancellationException("rollback: its caller gave up before it was begun");
    }
    then.begin(records.end() + 1);
    stale = true;
    allTouched = true;
    returns++;
    long offset = records.append(List.of(payload(ChangeMessages.rolledBack(snapshot))));
    then.with(offset);
    return offset;
  }

  private synchronized void write(List<Waiting> batch) {
    try {
      refresh();
      prepare(batch);
      stale = true;
      append(coded(batch));
    } catch (LostLeaseException e) {
      refuse(batch, overtaken(), e);
    } catch (LogException e) {
      refuse(
          batch,
          RequestException.unavailable("the catalogue's log cannot be written at present"),
          e);
    } catch (RuntimeException | Error e) {
      // Even where memory is short the next batch may fare better.
      refuse(
          batch, RequestException.unavailable("the catalogue's writer failed at these changes"), e);
    }
  }

  /** The changes of a batch that can be written; the others are refused, each for itself. */
  private List<Coded> coded(List<Waiting> batch) {
    List<Coded> written = new ArrayList<>(batch.size());
    for (Waiting waiting : batch) {
      try {
        Coded coded = code(waiting);
        Optional<String> tooLarge = UpdateRules.bytes(coded.message().getSerializedSize());
        if (tooLarge.isPresent()) {
          throw RequestException.invalidArgument(tooLarge.get());
        }
        learn(coded.change());
        written.add(coded);
      } catch (RequestException refusal) {
        waiting.done().completeExceptionally(refusal);
      }
    }
    return written;
  }

  private void append(List<Coded> changes) {
    List<byte[]> payloads = changes.stream().map(coded -> payload(coded.message())).toList();
    long last = payloads.isEmpty() ? 0 : records.append(payloads);
    stale = false;
    drift = figures();
    Set<String> changed = touched;
    if (changed != null) {
      changes.forEach(coded -> changed.add(coded.change().id()));
    }
    for (int i = 0; i < changes.size(); i++) {
      long offset = last - changes.size() + 1 + i;
      Coded coded = changes.get(i);
      coded.done().complete(new Accepted(offset, coded.change(), coded.withoutId()));
    }
  }

  private static void refuse(List<Waiting> batch, RequestException refusal, Throwable reason) {
    fail(batch, refusal);
    log.error("up to {} changes were not written", batch.size(), reason);
  }

  /** Tells those that were told nothing yet. */
  private static void fail(List<Waiting> changes, RequestException refusal) {
    changes.forEach(waiting -> waiting.done().completeExceptionally(refusal));
  }

  private byte[] payload(Change change) {
    return change.toBuilder().setEpoch(epoch).build().toByteArray();
  }

  private void prepare(List<Waiting> batch) {
    List<CatalogItem> items = new ArrayList<>();
    for (Waiting waiting : batch) {
      if (waiting.change() instanceof CatalogChange.Upsert upsert) {
        items.add(upsert.item());
      }
    }
    coders.values().forEach(coder -> coder.prepare(items));
  }

  private Coded code(Waiting waiting) {
    if (!(waiting.change() instanceof CatalogChange.Upsert upsert)) {
      return Coded.of(waiting, waiting.change(), Map.of());
    }
    Map<BundleId, List<Integer>> ids = HashMap.newHashMap(coders.size());
    Map<BundleId, String> without = new TreeMap<>();
    coders.forEach(
        (bundle, coder) -> {
          ItemCoder.Coding coding = assign(bundle, coder, upsert.item());
          if (coding.codes().isEmpty()) {
            without.put(bundle, coding.reason());
          } else {
            ids.put(bundle, coding.codes());
          }
        });
    return Coded.of(waiting, new CatalogChange.Upsert(upsert.item(), ids), without);
  }

  private static ItemCoder.Coding assign(BundleId bundle, ItemCoder coder, CatalogItem item) {
    try {
      return coder.assign(item);
    } catch (RuntimeException e) {
      if (ItemCoder.isOutage(e)) {
        throw RequestException.unavailable(
            "%s: its model, which gives items their ids, cannot be run at present"
                .formatted(bundle));
      }
      if (!(e instanceof ModelException)) {
        log.error("{}: item {} cannot be given an id", bundle, item.id(), e);
      }
      throw RequestException.invalidArgument(
          "%s: its model fails on the item's text (expected: title, brand and category that it can"
                  .formatted(bundle)
              + " read)");
    }
  }

  private Map<BundleId, CodeDrift.Figures> figures() {
    Map<BundleId, CodeDrift.Figures> figures = new TreeMap<>();
    coders.forEach((bundle, coder) -> figures.put(bundle, coder.drift()));
    return figures;
  }

  /** How the codes of new items differ from those of training, as of the last batch. */
  Map<BundleId, CodeDrift.Figures> drift() {
    return drift;
  }

  /** Writes what is queued, and stops. */
  @Override
  public void close() {
    closed = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      coders.values().forEach(ItemCoder::close);
      coders.clear();
    }
  }
}

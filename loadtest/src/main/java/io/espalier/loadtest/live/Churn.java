package io.espalier.loadtest.live;

import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.loadtest.process.UpdateStream;
import io.espalier.server.BackgroundThread;
import io.grpc.Channel;
import java.time.Duration;
import java.util.BitSet;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;

/** Changes items at a steady rate: new prices, removals, and items that come back. */
final class Churn {
  // Few at a time, by a thread that requests need not wait for: they would be sent late.
  private static final Duration PERIOD = Duration.ofMillis(2);
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final int UNANSWERED = 1024;
  private static final int ONE_REMOVAL_IN = 20;

  private final SyntheticCatalogue catalogue;
  private final Ledger ledger;
  private final int items;
  private final double rate;
  private final Random random;
  private final int[] revisions;
  private final BitSet removed = new BitSet();
  private final UpdateStream stream;
  private final AtomicLong acknowledged = new AtomicLong();
  private final Thread thread;
  private volatile boolean stopping;

  /**
   * Starts.
   *
   * @param items the first so many of the catalogue's are changed
   * @param rate changes a second
   */
  Churn(
      Channel writer,
      SyntheticCatalogue catalogue,
      Ledger ledger,
      int items,
      double rate,
      long seed) {
    this.catalogue = catalogue;
    this.ledger = ledger;
    this.items = items;
    this.rate = rate;
    this.random = new Random(seed);
    this.revisions = new int[items];
    this.stream = new UpdateStream(writer, UNANSWERED, this::acknowledged);
    this.thread = BackgroundThread.start("churn", this::run);
  }

  private void run() {
    try {
      long start = System.nanoTime();
      for (long sent = 0; !stopping; Thread.sleep(PERIOD)) {
        long due = (long) ((System.nanoTime() - start) / 1e9 * rate);
        for (; sent < due; sent++) {
          if (!stream.send(next())) {
            return;
          }
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private UpdateRequest next() {
    int item = random.nextInt(items);
    if (!removed.get(item) && random.nextInt(ONE_REMOVAL_IN) == 0) {
      removed.set(item);
      return UpdateRequest.newBuilder().setRemove(SyntheticCatalogue.id(item)).build();
    }
    removed.clear(item);
    return UpdateRequest.newBuilder().setUpsert(catalogue.item(item, ++revisions[item])).build();
  }

  private void acknowledged(UpdateRequest change, UpdateResponse response) {
    note(ledger, change, response);
    acknowledged.incrementAndGet();
  }

  /** Enters an acknowledged change into a ledger. */
  static void note(Ledger ledger, UpdateRequest change, UpdateResponse response) {
    if (!response.getError().isEmpty()) {
      throw new IllegalStateException(response.getItemId() + ": " + response.getError());
    }
    OptionalDouble price =
        change.hasUpsert()
            ? OptionalDouble.of(change.getUpsert().getPrice())
            : OptionalDouble.empty();
    ledger.changed(SyntheticCatalogue.number(response.getItemId()), response.getOffset(), price);
  }

  /** How many changes are durable. */
  long acknowledged() {
    return acknowledged.get();
  }

  /**
   * Looks whether changes still go out.
   *
   * @throws IllegalStateException when they do not, though nobody stopped them
   */
  void check() {
    if (stream.failure() != null || (!stopping && (stream.isOver() || !thread.isAlive()))) {
      throw new IllegalStateException("the stream of changes ended", stream.failure());
    }
  }

  /**
   * Stops, and waits until all is acknowledged.
   *
   * @throws IllegalStateException when the writer ended the stream, or does not answer
   */
  void stop() throws InterruptedException {
    stopping = true;
    // It may wait for room among the unanswered.
    thread.interrupt();
    thread.join();
    stream.finish(PATIENCE);
    check();
  }
}

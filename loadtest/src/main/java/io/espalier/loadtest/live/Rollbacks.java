package io.espalier.loadtest.live;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.CatalogServiceGrpc.CatalogServiceBlockingStub;
import io.espalier.catalog.v1.ListSnapshotsRequest;
import io.espalier.catalog.v1.RollBackRequest;
import io.espalier.catalog.v1.SnapshotInfo;
import io.grpc.Channel;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Takes a catalogue back, now and then, to a snapshot that is kept. */
final class Rollbacks {
  private static final Duration PERIOD = Duration.ofMillis(100);
  private static final Duration DEADLINE = Duration.ofSeconds(60);

  private final CatalogServiceBlockingStub writer;
  private final Ledger ledger;
  private final Events events;
  private final VisibilityProbe probe;
  private final Random random;
  private final Thread thread;
  private volatile boolean stopping;
  private volatile @Nullable RuntimeException failure;

  /**
   * Starts.
   *
   * @param probe has no change on its way while the catalogue goes back
   * @param every so many events the catalogue goes back; 0 for never
   */
  Rollbacks(
      Channel writer, Ledger ledger, Events events, VisibilityProbe probe, int every, long seed) {
    this.writer = CatalogServiceGrpc.newBlockingStub(writer);
    this.ledger = ledger;
    this.events = events;
    this.probe = probe;
    this.random = new Random(seed);
    this.thread = Thread.ofPlatform().daemon().name("rollbacks").start(() -> run(every));
  }

  private void run(int every) {
    try {
      for (int due = every; every > 0 && !stopping; Thread.sleep(PERIOD)) {
        if (events.count() >= due) {
          probe.whilePaused(this::rollBack);
          due = events.count() + every;
        }
        // Those that happened may have been forgotten.
        due = Math.min(due, events.count() + every);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      failure = e;
    }
  }

  private CatalogServiceBlockingStub inTime() {
    return writer.withDeadlineAfter(DEADLINE.toSeconds(), TimeUnit.SECONDS);
  }

  /** Goes back once; not to the oldest, which may be dropped meanwhile. */
  private void rollBack() {
    List<SnapshotInfo> kept =
        inTime().listSnapshots(ListSnapshotsRequest.getDefaultInstance()).getSnapshotsList();
    if (kept.size() < 3) {
      return;
    }
    long to = kept.get(1 + random.nextInt(kept.size() - 2)).getOffset();
    events.returnBegins();
    long offset =
        inTime().rollBack(RollBackRequest.newBuilder().setSnapshotOffset(to).build()).getOffset();
    ledger.rolledBack(offset, to);
  }

  /**
   * Looks whether the catalogue went back as often as it was to.
   *
   * @throws IllegalStateException when the writer refused to go back, or did not answer
   */
  void check() {
    if (failure != null) {
      throw new IllegalStateException("the catalogue could not go back", failure);
    }
  }

  /** Stops, and {@link #check}s. */
  void stop() throws InterruptedException {
    stopping = true;
    thread.join();
    check();
  }
}

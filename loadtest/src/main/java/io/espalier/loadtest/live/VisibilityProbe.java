package io.espalier.loadtest.live;

import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.process.UpdateStream;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.server.BackgroundThread;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Takes items away and brings them back, one after the other, and asks for each until the answer
 * shows it: how long after its acknowledgement a change is seen.
 */
final class VisibilityProbe {
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final Duration DEADLINE = Duration.ofSeconds(5);
  private static final Duration AFTER_REFUSAL = Duration.ofMillis(10);

  private final SyntheticCatalogue catalogue;
  private final Ledger ledger;
  private final int first;
  private final Duration pause;
  private final RetrievalServiceBlockingStub retrieval;
  private final SynchronousQueue<Long> acknowledgements = new SynchronousQueue<>();
  private final UpdateStream stream;
  private final List<Long> upserts = new ArrayList<>();
  private final List<Long> removals = new ArrayList<>();
  private final Thread thread;
  private volatile boolean stopping;
  private volatile @Nullable RuntimeException failure;

  /**
   * Starts.
   *
   * @param first the catalogue's items from this one on are taken, which nobody else changes
   * @param pause between one change that was seen and the next
   */
  VisibilityProbe(
      Channel writer,
      Channel server,
      SyntheticCatalogue catalogue,
      Ledger ledger,
      int first,
      Duration pause) {
    this.catalogue = catalogue;
    this.ledger = ledger;
    this.first = first;
    this.pause = pause;
    this.retrieval = RetrievalServiceGrpc.newBlockingStub(server);
    this.stream = new UpdateStream(writer, 1, this::acknowledged);
    this.thread = BackgroundThread.start("visibility", this::run);
  }

  private void run() {
    try {
      for (int n = 0; !stopping; n++) {
        int item = first + n % (catalogue.size() - first);
        String id = SyntheticCatalogue.id(item);
        UpdateRequest removal = UpdateRequest.newBuilder().setRemove(id).build();
        UpdateRequest upsert =
            UpdateRequest.newBuilder().setUpsert(catalogue.item(item, n + 1)).build();
        synchronized (this) {
          removals.add(seen(removal, item, 0));
          LockSupport.parkNanos(pause.toNanos());
          upserts.add(seen(upsert, item, 1));
        }
        LockSupport.parkNanos(pause.toNanos());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException e) {
      failure = e;
    }
  }

  /** Sends a change and returns the nanoseconds from its acknowledgement until it is seen. */
  private long seen(UpdateRequest change, int item, int wanted) throws InterruptedException {
    RetrieveRequest only = Questions.only(item);
    Long from =
        stream.send(change) ? acknowledgements.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS) : null;
    if (from == null) {
      throw new IllegalStateException("no acknowledgement of " + change, stream.failure());
    }
    while (System.nanoTime() - from < PATIENCE.toNanos()) {
      try {
        int found =
            retrieval
                .withDeadlineAfter(DEADLINE.toMillis(), TimeUnit.MILLISECONDS)
                .retrieve(only)
                .getCandidatesCount();
        if (found == wanted) {
          return System.nanoTime() - from;
        }
      } catch (StatusRuntimeException e) {
        if (e.getStatus().getCode() != Status.Code.RESOURCE_EXHAUSTED) {
          throw e;
        }
        // A server that is full says so at once; the change is not seen yet.
        LockSupport.parkNanos(AFTER_REFUSAL.toNanos());
      }
    }
    throw new IllegalStateException("not seen in %d s: %s".formatted(PATIENCE.toSeconds(), change));
  }

  /** Does something while no change of this probe is on its way. */
  synchronized void whilePaused(Runnable action) {
    action.run();
  }

  private void acknowledged(UpdateRequest change, UpdateResponse response) {
    long now = System.nanoTime();
    Churn.note(ledger, change, response);
    try {
      acknowledgements.put(now);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Forgets what it has measured. */
  synchronized void clear() {
    upserts.clear();
    removals.clear();
  }

  /** From acknowledgements of upserts until the item was in an answer; once stopped. */
  Latencies upserts() {
    return Latencies.of(upserts.stream().mapToLong(nanos -> nanos));
  }

  /** From acknowledgements of removals until the item was in no answer; once stopped. */
  Latencies removals() {
    return Latencies.of(removals.stream().mapToLong(nanos -> nanos));
  }

  /**
   * Looks whether changes have been seen.
   *
   * @throws IllegalStateException when one was never seen
   */
  void check() {
    if (failure != null) {
      throw new IllegalStateException("the probe ended: " + failure.getMessage(), failure);
    }
  }

  /**
   * Stops.
   *
   * @throws IllegalStateException when a change was never seen, or the writer does not answer
   */
  void stop() throws InterruptedException {
    stopping = true;
    thread.join();
    stream.finish(PATIENCE);
    check();
  }
}

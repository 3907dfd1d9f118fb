package io.espalier.router;

import com.google.common.util.concurrent.ListenableFuture;

/**
 * A call of a stage that is under way: what it is, when it started, when it must end, when it
 * ended.
 */
final class StageCall<T> {
  private final String stage;
  private final int itemsIn;
  private final long started;
  private final long latest;
  private final ListenableFuture<T> future;
  private volatile long ended;

  StageCall(String stage, int itemsIn, long started, long latest, ListenableFuture<T> future) {
    this.stage = stage;
    this.itemsIn = itemsIn;
    this.started = started;
    this.latest = latest;
    this.future = future;
    // Taken as it ends, since the request may be waiting for another stage by then.
    future.addListener(() -> ended = System.nanoTime(), Runnable::run);
  }

  String stage() {
    return stage;
  }

  int itemsIn() {
    return itemsIn;
  }

  long started() {
    return started;
  }

  /** The last moment at which an answer is of use, in {@link System#nanoTime}. */
  long latest() {
    return latest;
  }

  ListenableFuture<T> future() {
    return future;
  }

  /** When it ended, or now. */
  long ended() {
    return ended == 0 ? System.nanoTime() : ended;
  }
}

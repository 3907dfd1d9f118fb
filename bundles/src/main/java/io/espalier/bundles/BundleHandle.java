package io.espalier.bundles;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A loaded bundle and the count of those who use it: one for the switch that holds it, one for each
 * lease. It is closed by whoever takes the count to 0, and the count never leaves 0 again: so it is
 * closed once, and never while it is used.
 */
final class BundleHandle<T extends AutoCloseable> {
  private static final Logger log = LoggerFactory.getLogger(BundleHandle.class);

  private final BundleId id;
  private final T value;
  private final AutoCloseable resources;
  private final AtomicInteger references = new AtomicInteger(1);
  private final CompletableFuture<Void> closed = new CompletableFuture<>();
  private volatile long lastAcquired = System.nanoTime();
  private volatile boolean retired;

  BundleHandle(BundleId id, T value) {
    this(id, value, () -> {});
  }

  /**
   * A bundle that nobody uses yet.
   *
   * @param resources closed after it
   */
  BundleHandle(BundleId id, T value, AutoCloseable resources) {
    this.id = id;
    this.value = value;
    this.resources = resources;
  }

  BundleId id() {
    return id;
  }

  T value() {
    return value;
  }

  /** How many leases are open. */
  int users() {
    return Math.max(0, references.get() - (retired ? 0 : 1));
  }

  /** Since it was last leased, or made. */
  Duration idle() {
    return Duration.ofNanos(Math.max(0, System.nanoTime() - lastAcquired));
  }

  Optional<Lease<T>> acquire() {
    Optional<Lease<T>> lease = lease();
    if (lease.isPresent()) {
      lastAcquired = System.nanoTime();
    }
    return lease;
  }

  /** As {@link #acquire}, for a look that is no use. */
  Optional<Lease<T>> lease() {
    for (int count = references.get(); count > 0; count = references.get()) {
      if (references.compareAndSet(count, count + 1)) {
        return Optional.of(new Lease<>(this));
      }
    }
    return Optional.empty();
  }

  /** Gives up the switch's own reference; called once. */
  void retire() {
    retired = true;
    release();
  }

  void release() {
    if (references.decrementAndGet() == 0) {
      try {
        close(value);
        close(resources);
      } finally {
        closed.complete(null);
      }
    }
  }

  private void close(AutoCloseable part) {
    try {
      part.close();
    } catch (Exception e) {
      log.warn("bundle {} did not close", id, e);
    }
  }

  /** Completes when the bundle has been closed. */
  CompletableFuture<Void> closed() {
    return closed;
  }
}

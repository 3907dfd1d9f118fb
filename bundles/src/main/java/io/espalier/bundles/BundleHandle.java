package io.espalier.bundles;

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
  private final AtomicInteger references = new AtomicInteger(1);
  private final CompletableFuture<Void> closed = new CompletableFuture<>();

  BundleHandle(BundleId id, T value) {
    this.id = id;
    this.value = value;
  }

  BundleId id() {
    return id;
  }

  T value() {
    return value;
  }

  Optional<Lease<T>> acquire() {
    for (int count = references.get(); count > 0; count = references.get()) {
      if (references.compareAndSet(count, count + 1)) {
        return Optional.of(new Lease<>(this));
      }
    }
    return Optional.empty();
  }

  void release() {
    if (references.decrementAndGet() == 0) {
      try {
        value.close();
      } catch (Exception e) {
        log.warn("bundle {} did not close", id, e);
      } finally {
        closed.complete(null);
      }
    }
  }

  /** Completes when the bundle has been closed. */
  CompletableFuture<Void> closed() {
    return closed;
  }
}

package io.espalier.bundles;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The right to use a loaded bundle until it is closed: what it gives stays open meanwhile.
 *
 * <p>Closing it twice does nothing.
 *
 * @param <T> what a bundle is loaded into
 */
public final class Lease<T extends AutoCloseable> implements AutoCloseable {
  private final BundleHandle<T> handle;
  private final AtomicBoolean closed = new AtomicBoolean();

  Lease(BundleHandle<T> handle) {
    this.handle = handle;
  }

  /** The loaded bundle; not to be used once the lease is closed. */
  public T get() {
    if (closed.get()) {
      throw new IllegalStateException("lease of " + handle.id() + ": closed (expected: open)");
    }
    return handle.value();
  }

  /** Which bundle it is. */
  public BundleId id() {
    return handle.id();
  }

  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      handle.release();
    }
  }
}

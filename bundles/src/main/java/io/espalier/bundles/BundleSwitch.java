package io.espalier.bundles;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The bundle versions that a server has loaded, and the way from one to the next: load, verify,
 * warm, shift, drain, close.
 *
 * <p>A version serves from the end of its warm-up until it is retired. The one that was shifted to
 * last is its name's <em>current</em> one; older ones go on serving the requests that name them,
 * since a request keeps the versions that its route was resolved to. Retiring one refuses new
 * leases at once and closes it when the last lease is closed. A bundle that fails on the way to
 * serving leaves everything as it was. Leases are taken without waiting, also while another version
 * loads.
 *
 * @param <T> what a bundle is loaded into
 */
public final class BundleSwitch<T extends AutoCloseable> implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(BundleSwitch.class);

  private final BundleRepository repository;
  private final BundleLoader<T> loader;
  // Serialises loading; never held while a lease is taken.
  private final Object loading = new Object();
  // Guards what follows.
  private final Object state = new Object();
  private final Map<BundleId, BundleHandle<T>> serving = new TreeMap<>();
  private final Map<String, BundleId> current = new LinkedHashMap<>();
  private boolean closed;

  public BundleSwitch(BundleRepository repository, BundleLoader<T> loader) {
    this.repository = repository;
    this.loader = loader;
  }

  /**
   * A switch whose bundles serve.
   *
   * @throws BundleException when one of them does not; those before it are closed
   */
  public static <T extends AutoCloseable> BundleSwitch<T> serving(
      BundleRepository repository, BundleLoader<T> loader, List<BundleId> bundles) {
    BundleSwitch<T> serving = new BundleSwitch<>(repository, loader);
    try {
      bundles.forEach(serving::switchTo);
      return serving;
    } catch (RuntimeException e) {
      serving.close();
      throw e;
    }
  }

  /**
   * Makes a version the current one of its name; returns when it serves. An older version that
   * still serves becomes current at once: that is how to roll back.
   *
   * @throws BundleException when it cannot be read, verified, loaded or warmed; the old version
   *     goes on serving
   */
  public void switchTo(BundleId id) {
    synchronized (loading) {
      if (shiftTo(id)) {
        return;
      }
      BundleHandle<T> handle = prepare(id);
      synchronized (state) {
        if (!closed) {
          serving.put(id, handle);
          current.put(id.name(), id);
          log.info("bundle {} serves", id);
          return;
        }
      }
      handle.release();
      throw new IllegalStateException("bundle " + id + ": the switch is closed");
    }
  }

  /** Makes a version that serves already the current one; says whether there is one. */
  private boolean shiftTo(BundleId id) {
    synchronized (state) {
      if (!serving.containsKey(id)) {
        return false;
      }
      current.put(id.name(), id);
      return true;
    }
  }

  private BundleHandle<T> prepare(BundleId id) {
    Bundle bundle = repository.get(id);
    bundle.verify();
    T loaded;
    try {
      loaded = loader.load(bundle);
    } catch (BundleException e) {
      throw e;
    } catch (RuntimeException e) {
      throw new BundleException("bundle " + id + ": cannot be loaded: " + e.getMessage(), e);
    }
    BundleHandle<T> handle = new BundleHandle<>(id, loaded);
    try {
      loader.warm(loaded);
      return handle;
    } catch (RuntimeException e) {
      handle.release();
      throw new BundleException("bundle " + id + ": cannot be warmed: " + e.getMessage(), e);
    }
  }

  /** A lease of a version; empty when it does not serve. */
  public Optional<Lease<T>> acquire(BundleId id) {
    BundleHandle<T> handle;
    synchronized (state) {
      handle = serving.get(id);
    }
    return handle == null ? Optional.empty() : handle.acquire();
  }

  /** A lease of the current version of a name; empty when none serves. */
  public Optional<Lease<T>> acquireCurrent(String name) {
    synchronized (state) {
      BundleId id = current.get(name);
      BundleHandle<T> handle = id == null ? null : serving.get(id);
      // Within the lock, so that a shift and a retirement in between cannot leave a name unserved.
      return handle == null ? Optional.empty() : handle.acquire();
    }
  }

  /** The versions that serve, by name and version. */
  public List<BundleId> serving() {
    synchronized (state) {
      return List.copyOf(serving.keySet());
    }
  }

  /** Whether what each version that serves is loaded into passes. */
  public boolean allServing(Predicate<T> test) {
    for (BundleId id : serving()) {
      Optional<Lease<T>> found = acquire(id);
      if (found.isPresent()) {
        try (Lease<T> lease = found.get()) {
          if (!test.test(lease.get())) {
            return false;
          }
        }
      }
    }
    return true;
  }

  /**
   * Takes a version out of service; a second time does nothing.
   *
   * @return completes when its last lease is closed and it is closed itself
   */
  public CompletableFuture<Void> retire(BundleId id) {
    BundleHandle<T> handle;
    synchronized (state) {
      handle = serving.remove(id);
      current.remove(id.name(), id);
    }
    if (handle == null) {
      return CompletableFuture.completedFuture(null);
    }
    log.info("bundle {} drains", id);
    handle.release();
    return handle.closed();
  }

  /** Retires every version; what is leased closes with its last lease. */
  @Override
  public void close() {
    List<BundleHandle<T>> handles;
    synchronized (state) {
      closed = true;
      handles = new ArrayList<>(serving.values());
      serving.clear();
      current.clear();
    }
    handles.forEach(BundleHandle::release);
  }
}

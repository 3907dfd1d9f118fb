package io.espalier.bundles;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
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

  // Calls end by their deadlines: what drains for longer is stuck.
  private static final Duration DRAIN = Duration.ofMinutes(2);
  // How often a version that is to be retired is looked at.
  private static final Duration LOOK = Duration.ofMillis(10);

  private final BundleRepository repository;
  private final BundleLoader<T> loader;
  private final BundleResources resources;
  // Serialises loading; never held while a lease is taken.
  private final Object loading = new Object();
  // Guards what follows.
  private final Object state = new Object();
  private final Map<BundleId, BundleHandle<T>> serving = new TreeMap<>();
  private final Map<String, BundleId> current = new LinkedHashMap<>();
  private final Set<BundleHandle<T>> draining = new HashSet<>();
  private final Map<BundleId, String> failures = new TreeMap<>();
  private @Nullable BundleId preparing;
  private boolean closed;

  public BundleSwitch(BundleRepository repository, BundleLoader<T> loader) {
    this(repository, loader, BundleResources.none());
  }

  /**
   * A switch that nothing serves in yet.
   *
   * @param resources what bundles need beside themselves
   */
  public BundleSwitch(
      BundleRepository repository, BundleLoader<T> loader, BundleResources resources) {
    this.repository = repository;
    this.loader = loader;
    this.resources = resources;
  }

  /**
   * A switch whose bundles serve.
   *
   * @throws BundleException when one of them does not; those before it are closed
   */
  public static <T extends AutoCloseable> BundleSwitch<T> serving(
      BundleRepository repository,
      BundleLoader<T> loader,
      BundleResources resources,
      List<BundleId> bundles) {
    BundleSwitch<T> serving = new BundleSwitch<>(repository, loader, resources);
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
      awaitDrained(id);
      BundleHandle<T> handle = prepared(id);
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

  /** What is left of an earlier load of the same version ends before the next begins. */
  private void awaitDrained(BundleId id) {
    List<CompletableFuture<Void>> ends;
    synchronized (state) {
      ends =
          draining.stream()
              .filter(handle -> handle.id().equals(id))
              .map(BundleHandle::closed)
              .toList();
    }
    try {
      CompletableFuture.allOf(ends.toArray(CompletableFuture[]::new))
          .get(DRAIN.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException | ExecutionException e) {
      throw new BundleException(
          "bundle " + id + ": still drains after " + DRAIN + " (expected: closed)", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BundleException("bundle " + id + ": interrupted while it drains", e);
    }
  }

  /** Prepares a version, and keeps account of it. */
  private BundleHandle<T> prepared(BundleId id) {
    synchronized (state) {
      preparing = id;
      failures.remove(id);
    }
    String failure = "";
    try {
      return prepare(id);
    } catch (BundleException e) {
      failure = String.valueOf(e.getMessage());
      log.error("bundle {} is not served: {}", id, failure);
      throw e;
    } finally {
      synchronized (state) {
        preparing = null;
        if (!failure.isEmpty()) {
          failures.put(id, failure);
        }
      }
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
    AutoCloseable needed = call(id, "its models cannot be loaded", () -> resources.open(bundle));
    BundleHandle<T> handle;
    try {
      T loaded = call(id, "cannot be loaded", () -> loader.load(bundle));
      handle = new BundleHandle<>(id, loaded, needed);
    } catch (RuntimeException | Error e) {
      close(id, needed);
      throw e;
    }
    try {
      call(
          id,
          "cannot be warmed",
          () -> {
            loader.warm(handle.value());
            return handle;
          });
      return handle;
    } catch (RuntimeException | Error e) {
      handle.release();
      throw e;
    }
  }

  private static <R> R call(BundleId id, String failure, Supplier<R> step) {
    try {
      return step.get();
    } catch (BundleException e) {
      throw e;
    } catch (RuntimeException e) {
      throw new BundleException("bundle " + id + ": " + failure + ": " + e.getMessage(), e);
    }
  }

  private static void close(BundleId id, AutoCloseable needed) {
    try {
      needed.close();
    } catch (Exception e) {
      log.warn("bundle {} did not close", id, e);
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

  /**
   * What becomes of every version that is loaded, serves, drains or failed, by name and version.
   */
  public List<ServedBundle> status() {
    List<ServedBundle> all = new ArrayList<>();
    synchronized (state) {
      BundleId next = preparing;
      if (next != null) {
        all.add(new ServedBundle(next, ServedBundle.State.LOADING, false, 0, Duration.ZERO, ""));
      }
      failures.forEach(
          (id, why) ->
              all.add(
                  new ServedBundle(id, ServedBundle.State.FAILED, false, 0, Duration.ZERO, why)));
      serving
          .values()
          .forEach(
              handle ->
                  all.add(
                      status(
                          handle,
                          ServedBundle.State.SERVING,
                          handle.id().equals(current.get(handle.id().name())))));
      draining.forEach(handle -> all.add(status(handle, ServedBundle.State.DRAINING, false)));
    }
    all.sort(Comparator.comparing(ServedBundle::id).thenComparing(ServedBundle::state));
    return all;
  }

  private static ServedBundle status(
      BundleHandle<?> handle, ServedBundle.State state, boolean current) {
    return new ServedBundle(handle.id(), state, current, handle.users(), handle.idle(), "");
  }

  /** Whether what each version that serves is loaded into passes. */
  public boolean allServing(Predicate<T> test) {
    for (BundleId id : serving()) {
      BundleHandle<T> handle;
      synchronized (state) {
        handle = serving.get(id);
      }
      Optional<Lease<T>> found = handle == null ? Optional.empty() : handle.lease();
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
      if (handle != null) {
        draining.add(handle);
      }
    }
    if (handle == null) {
      return CompletableFuture.completedFuture(null);
    }
    log.info("bundle {} drains", id);
    handle.retire();
    return handle
        .closed()
        .thenRun(
            () -> {
              synchronized (state) {
                draining.remove(handle);
              }
              log.info("bundle {} is closed", id);
            });
  }

  /**
   * Waits until nobody uses a version, and nobody has asked for it for a while: what still names it
   * would fail if it were retired.
   *
   * @param quiet how long nobody may have asked for it
   * @param patience how long that is waited for
   * @return whether it is so; false when it is asked for again and again
   */
  public boolean awaitQuiet(BundleId id, Duration quiet, Duration patience)
      throws InterruptedException {
    long end = System.nanoTime() + patience.toNanos();
    while (true) {
      BundleHandle<T> handle;
      synchronized (state) {
        handle = serving.get(id);
      }
      if (handle == null || (handle.users() == 0 && handle.idle().compareTo(quiet) >= 0)) {
        return true;
      }
      if (System.nanoTime() >= end) {
        return false;
      }
      Thread.sleep(LOOK);
    }
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
    handles.forEach(BundleHandle::retire);
  }
}

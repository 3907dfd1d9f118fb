package io.espalier.cli.cluster;

import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogFollower;
import io.espalier.catalog.LogPlace;
import io.espalier.catalog.LoggedChange;
import io.espalier.catalog.Snapshot;
import io.espalier.catalog.SnapshotStore;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.Channel;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What a router's rules know of items: the newest snapshot's, or the data folder's where there is
 * none, as a followed catalogue changed them.
 */
final class FollowedItems implements CatalogFollower.Listener, AutoCloseable {
  // As many changed items are kept beside a snapshot.
  private static final int MOST_CHANGED = 10_000;

  private final DataFolder data;
  private final @Nullable SnapshotStore snapshots;
  private final CatalogFollower follower;
  private volatile Known known;

  /** What is known at once: a snapshot's items, and those that changed since. */
  private record Known(@Nullable Snapshot snapshot, Map<String, Changed> changed) {}

  private record Changed(long offset, Optional<CatalogItem> item) {}

  /**
   * Starts to follow.
   *
   * @param snapshots where snapshots are published; null where none are
   */
  FollowedItems(DataFolder data, Channel catalog, @Nullable SnapshotStore snapshots, Meter meter) {
    this.data = data;
    this.snapshots = snapshots;
    Snapshot first = newest(snapshots, 0, Long.MAX_VALUE).orElse(null);
    this.known = new Known(first, new ConcurrentHashMap<>());
    this.follower =
        CatalogFollower.start(catalog, first == null ? beginning() : first.place(), this);
    follower.observe(meter, "router");
  }

  private static Optional<Snapshot> newest(@Nullable SnapshotStore store, long least, long most) {
    try {
      Optional<Snapshot> newest =
          store == null ? Optional.empty() : store.newest(least, most, Set.of());
      if (store != null && newest.isPresent()) {
        newest.get().withItems();
        store.keepOnly(newest.get());
      }
      return newest;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void changed(List<LoggedChange> changes) {
    for (LoggedChange logged : changes) {
      CatalogChange change = logged.change();
      known
          .changed()
          .put(
              change.id(),
              new Changed(
                  logged.offset(),
                  change instanceof CatalogChange.Upsert upsert
                      ? Optional.of(upsert.item())
                      : Optional.empty()));
    }
  }

  @Override
  public void published(long offset) {
    Known now = known;
    if (now.changed().size() > MOST_CHANGED) {
      long least = now.snapshot() == null ? 0 : now.snapshot().offset() + 1;
      long most =
          now.changed().values().stream().mapToLong(Changed::offset).max().orElse(Long.MAX_VALUE);
      newest(snapshots, least, most)
          .ifPresent(
              snapshot -> {
                Map<String, Changed> since = new ConcurrentHashMap<>(now.changed());
                since.values().removeIf(change -> change.offset() <= snapshot.offset());
                known = new Known(snapshot, since);
              });
    }
  }

  @Override
  public Optional<LogPlace> restart(long least) {
    if (snapshots == null && least <= beginning().offset()) {
      known = new Known(null, new ConcurrentHashMap<>());
      return Optional.of(beginning());
    }
    Optional<Snapshot> snapshot = newest(snapshots, least, Long.MAX_VALUE);
    snapshot.ifPresent(newer -> known = new Known(newer, new ConcurrentHashMap<>()));
    return snapshot.map(Snapshot::place);
  }

  private LogPlace beginning() {
    return LogPlace.beginning(data.items().size());
  }

  /** The item with this external id. */
  Optional<CatalogItem> item(String id) {
    Known now = known;
    Changed changed = now.changed().get(id);
    if (changed != null) {
      return changed.item();
    }
    if (now.snapshot() == null) {
      return data.item(id);
    }
    try {
      return now.snapshot().item(id);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    follower.close();
  }
}

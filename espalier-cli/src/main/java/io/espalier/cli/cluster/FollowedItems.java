package io.espalier.cli.cluster;

import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogFollower;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.Channel;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** What a router's rules know of items: the data folder's, as a followed catalogue changed them. */
final class FollowedItems implements AutoCloseable {
  private final DataFolder data;
  private final Map<String, Optional<CatalogItem>> changed = new ConcurrentHashMap<>();
  private final CatalogFollower follower;

  /** Starts to follow. */
  FollowedItems(DataFolder data, Channel catalog) {
    this.data = data;
    this.follower =
        CatalogFollower.start(
            catalog, data.items().size(), (changes, lastOffset) -> change(changes));
  }

  private void change(List<CatalogChange> changes) {
    for (CatalogChange change : changes) {
      changed.put(
          change.id(),
          change instanceof CatalogChange.Upsert upsert
              ? Optional.of(upsert.item())
              : Optional.empty());
    }
  }

  /** The item with this external id. */
  Optional<CatalogItem> item(String id) {
    return changed.getOrDefault(id, data.item(id));
  }

  @Override
  public void close() {
    follower.close();
  }
}

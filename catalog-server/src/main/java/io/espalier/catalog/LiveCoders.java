package io.espalier.catalog;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleLoader;
import io.espalier.inference.ModelRunner;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings bundles to a catalogue's writer: from then on items are given ids of them, and snapshots
 * have them. Items that came before are written anew, where a bundle was not trained on them.
 */
final class LiveCoders implements BundleLoader<LiveCoders.Live> {
  private static final Logger log = LoggerFactory.getLogger(LiveCoders.class);

  private final CatalogWriter writer;
  private final @Nullable SnapshotPublisher snapshots;
  private final ModelRunner runner;
  // Those that the writer was started with.
  private final Map<BundleId, ItemCoder> first;

  LiveCoders(
      CatalogWriter writer,
      @Nullable SnapshotPublisher snapshots,
      ModelRunner runner,
      Map<BundleId, ItemCoder> first) {
    this.writer = writer;
    this.snapshots = snapshots;
    this.runner = runner;
    this.first = new HashMap<>(first);
  }

  /** That a bundle is live. */
  final class Live implements AutoCloseable {
    private final BundleId id;

    Live(BundleId id) {
      this.id = id;
    }

    @Override
    public void close() {
      if (snapshots != null) {
        snapshots.remove(id);
      }
      writer.remove(id);
    }
  }

  @Override
  public Live load(Bundle bundle) {
    if (first.remove(bundle.id()) != null) {
      return new Live(bundle.id());
    }
    if (!bundle.hasFile("semantic_ids")) {
      throw new BundleException(
          "bundle " + bundle.id() + ": no semantic ids (expected: one that gives items some)");
    }
    SnapshotPublisher.Codes codes = CatalogComponent.codes(bundle);
    ItemCoder coder =
        new ItemCoder(codes.table(), CatalogComponent.newItems(bundle, codes.table(), runner));
    writer.add(bundle.id(), coder);
    Live live = new Live(bundle.id());
    try {
      int given = 0;
      boolean returned;
      do {
        long returns = writer.returns();
        given += writer.giveIds(bundle.id());
        // Not before: who goes back to a snapshot has all the ids that it has.
        returned =
            snapshots != null
                && !snapshots.add(bundle.id(), codes, () -> writer.assigned(bundle.id(), returns));
      } while (returned);
      log.info("bundle {}: {} items that came before were given ids", bundle.id(), given);
      return live;
    } catch (IOException e) {
      live.close();
      throw new BundleException(
          "bundle " + bundle.id() + ": no snapshot with its ids can be published", e);
    } catch (RuntimeException | Error e) {
      live.close();
      throw e;
    }
  }

  @Override
  public void warm(Live loaded) {
    // Models are warm once they are loaded; nothing here waits for a first item.
  }
}

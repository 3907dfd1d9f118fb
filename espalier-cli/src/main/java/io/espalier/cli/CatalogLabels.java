package io.espalier.cli;

import io.espalier.cli.show.ItemLabels;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/** Labels from a data folder on this machine. */
final class CatalogLabels implements ItemLabels {
  private final DataFolder data;

  CatalogLabels(DataFolder data) {
    this.data = data;
  }

  /** The folder's labels; none where there is no such folder. */
  static ItemLabels of(Path folder) {
    return Files.isDirectory(folder) ? new CatalogLabels(DataFolder.open(folder)) : ItemLabels.NONE;
  }

  @Override
  public Optional<Label> of(String itemId) {
    return data.item(itemId).map(CatalogLabels::label);
  }

  private static Label label(CatalogItem item) {
    String price =
        item.price().isPresent()
            ? String.format(Locale.ROOT, "%.2f", item.price().getAsDouble())
            : "";
    return new Label(item.title(), price);
  }
}

package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.ItemOrder;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.index.vector.VectorIndex;
import io.espalier.stores.features.CategoryFeature;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.FeatureTable;
import io.espalier.stores.features.RowIndex;
import io.espalier.stores.features.VectorFeature;
import io.opentelemetry.api.metrics.Meter;
import java.util.ArrayList;
import java.util.List;

/** Makes scorers of E4SRec and HeterRec bundles. */
final class ScorerLoader {
  static final String ITEM_VECTORS = "item_vectors";
  static final String TEXT = "text";
  static final String BRANDS = "brands";
  static final String CATEGORIES = "categories";

  private static final int UNKNOWN = -1;

  private final Meter meter;
  private final FeatureStores stores;

  ScorerLoader(Meter meter, FeatureStores stores) {
    this.meter = meter;
    this.stores = stores;
  }

  /** Whether a bundle of this system is a scorer. */
  static boolean loads(String system) {
    return system.equals("E4SRec") || system.equals("HeterRec");
  }

  /**
   * Reads a scorer's files.
   *
   * @param ranker the bundle that it scores for: its own, or a fusion that names it
   */
  InnerProductScorer load(Bundle bundle, BundleId ranker) {
    BundleTables tables = new BundleTables(bundle);
    ItemOrder items = items(bundle);
    FloatMatrix matrix = tables.matrix("item_vectors", items.size(), width(bundle));
    FloatMatrix bias =
        bundle.hasFile("item_bias") ? tables.matrix("item_bias", items.size(), 1) : null;
    UserEncoder encoder =
        bundle.system().equals("HeterRec")
            ? new HeterRecUser(bundle, items, bundle.parameters().size("text_width"))
            : new E4SRecUser(bundle, items);
    FeatureStore features = stores.open(bundle.id(), table(bundle));
    return new InnerProductScorer(
        bundle.id(),
        items,
        encoder,
        features,
        matrix.width(),
        bundle.hasFile("default_vector"),
        bias == null ? new float[0] : BundleTables.values(bias),
        VectorIndex.of(matrix, bias),
        new FeatureMetrics(meter, ranker, bundle.id(), features));
  }

  private static int width(Bundle bundle) {
    return bundle.parameters().size("width");
  }

  private static ItemOrder items(Bundle bundle) {
    ItemOrder items = bundle.readItems();
    if (items.size() == 0) {
      throw new BundleException("bundle " + bundle.id() + ": items: none (expected: at least one)");
    }
    return items;
  }

  /** The features of a scorer's items. */
  static FeatureTable table(Bundle bundle) {
    BundleTables tables = new BundleTables(bundle);
    ItemOrder items = items(bundle);
    RowIndex rows = id -> items.index(id).orElse(-1);
    int width = width(bundle);
    float[] fallback =
        bundle.hasFile("default_vector")
            ? BundleTables.values(tables.matrix("default_vector", 1, width))
            : new float[width];
    VectorFeature vectors =
        new VectorFeature(
            ITEM_VECTORS,
            rows,
            BundleTables.values(tables.matrix("item_vectors", items.size(), width)),
            fallback);
    return bundle.system().equals("HeterRec")
        ? heterRecTable(bundle, tables, items, rows, vectors)
        : new FeatureTable(items.ids(), List.of(vectors), List.of());
  }

  private static FeatureTable heterRecTable(
      Bundle bundle, BundleTables tables, ItemOrder items, RowIndex rows, VectorFeature vectors) {
    int textWidth = bundle.parameters().size("text_width");
    float[] text = BundleTables.values(tables.matrix("text_vectors", items.size(), textWidth));
    List<String[]> table = tables.rows("item_features", 3);
    if (table.size() != items.size()) {
      throw new BundleException(
          "bundle "
              + bundle.id()
              + ": item_features: "
              + table.size()
              + " lines (expected: "
              + items.size()
              + ", one an item)");
    }
    int[] brands = new int[items.size()];
    int[] categories = new int[items.size()];
    for (int row = 0; row < brands.length; row++) {
      String[] fields = table.get(row);
      if (!fields[0].equals(items.id(row))) {
        throw new BundleException(
            "bundle "
                + bundle.id()
                + ": item_features: line "
                + (row + 1)
                + ": "
                + fields[0]
                + " (expected: "
                + items.id(row)
                + ", as in items)");
      }
      brands[row] = category(tables, row, "brand", fields[1]);
      categories[row] = category(tables, row, "category", fields[2]);
    }
    List<CategoryFeature> numbers = new ArrayList<>();
    numbers.add(new CategoryFeature(BRANDS, rows, brands, UNKNOWN));
    numbers.add(new CategoryFeature(CATEGORIES, rows, categories, UNKNOWN));
    return new FeatureTable(
        items.ids(),
        List.of(vectors, new VectorFeature(TEXT, rows, text, new float[textWidth])),
        numbers);
  }

  private static int category(BundleTables tables, int row, String name, String text) {
    return tables.integer("item_features", row, name, text, UNKNOWN, Integer.MAX_VALUE);
  }
}

package io.espalier.ranking;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.ItemOrder;
import io.espalier.bundles.Parameters;
import io.espalier.index.text.TermAnalyzer;
import io.espalier.index.text.TextAnalysis;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.stores.features.FeatureStore;
import io.espalier.stores.features.FeatureTable;
import io.espalier.stores.features.VectorFeature;
import io.opentelemetry.api.metrics.Meter;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Makes search rankers of SearchRanker bundles and the text and dense bundles that they name. */
final class SearchRankerLoader {
  static final String DENSE = "dense";

  private final BundleRepository repository;
  private final Meter meter;
  private final FeatureStores stores;

  SearchRankerLoader(BundleRepository repository, Meter meter, FeatureStores stores) {
    this.repository = repository;
    this.meter = meter;
    this.stores = stores;
  }

  SearchRanker load(Bundle bundle) {
    Parameters parameters = bundle.parameters();
    BundleId text = id(parameters, "text");
    Bundle dense = verified(id(parameters, "dense"), "DenseText");
    Bundle encoder = verified(id(dense.parameters(), "encoder"), "");
    ItemTypes types = ItemTypes.read(bundle);
    if (types.items().size() == 0) {
      throw new BundleException(
          "bundle " + bundle.id() + ": item_types: none (expected: at least one)");
    }
    ItemTerms terms = ItemTerms.read(bundle, "item_terms", types.items().size());
    Optional<ItemTerms> titles =
        bundle.hasFile("title_terms")
            ? Optional.of(ItemTerms.read(bundle, "title_terms", types.items().size()))
            : Optional.empty();
    int width = encoder.parameters().size("width");
    FeatureTable table = table(dense, width);
    double floor = parameters.number("type_floor");
    if (!(floor > 0)) {
      throw parameters.wrong("type_floor", floor, "> 0");
    }
    Map<SearchFeature, Double> weights = weights(parameters);
    TextAnalysis analysis = analysis(parameters);
    TokenModel queryModel = TokenModel.load(bundle, "query", "type_log_probs");
    TokenModel encoderModel;
    try {
      encoderModel = TokenModel.load(encoder, "encode", "vector");
    } catch (RuntimeException e) {
      queryModel.close();
      throw e;
    }
    FeatureStore features = stores.open(dense.id(), table);
    return new SearchRanker(
        new SearchRanker.Parts(
            weights,
            text.name(),
            queryModel,
            encoderModel,
            features,
            width,
            types,
            floor,
            terms,
            titles,
            TermAnalyzer.of(analysis),
            List.of(text, dense.id(), encoder.id()),
            new FeatureMetrics(meter, bundle.id(), dense.id(), features)));
  }

  private static TextAnalysis analysis(Parameters parameters) {
    try {
      return TextAnalysis.of(parameters.text("analyzer"));
    } catch (IllegalArgumentException e) {
      throw parameters.wrong("analyzer", parameters.text("analyzer"), "english or standard");
    }
  }

  /** The features of a DenseText bundle's items. */
  static FeatureTable table(Bundle dense, int width) {
    ItemOrder items = dense.readItems();
    FloatMatrix matrix = new BundleTables(dense).matrix("item_vectors", items.size(), width);
    VectorFeature vectors =
        new VectorFeature(
            DENSE,
            id -> items.index(id).orElse(-1),
            BundleTables.values(matrix),
            new float[matrix.width()]);
    return new FeatureTable(items.ids(), List.of(vectors), List.of());
  }

  private static Map<SearchFeature, Double> weights(Parameters parameters) {
    Parameters given = parameters.map("weights");
    Map<SearchFeature, Double> weights = new EnumMap<>(SearchFeature.class);
    for (SearchFeature feature : SearchFeature.values()) {
      weights.put(feature, given.number(feature.label(), 0));
    }
    for (String key : given.keys()) {
      if (weights.keySet().stream().noneMatch(feature -> feature.label().equals(key))) {
        throw given.wrong(
            key,
            "unknown",
            "one of " + weights.keySet().stream().map(SearchFeature::label).toList());
      }
    }
    return weights;
  }

  static BundleId id(Parameters parameters, String key) {
    try {
      return BundleId.parse(parameters.text(key));
    } catch (IllegalArgumentException e) {
      throw parameters.wrong(key, parameters.text(key), "name@version");
    }
  }

  /** Another bundle that the ranker reads, checked as the ranker's own is. */
  private Bundle verified(BundleId id, String system) {
    Bundle bundle = repository.get(id);
    if (!system.isEmpty() && !bundle.system().equals(system)) {
      throw new BundleException(
          "bundle " + id + ": system: " + bundle.system() + " (expected: " + system + ")");
    }
    bundle.verify();
    return bundle;
  }
}

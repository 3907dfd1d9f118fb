package io.espalier.cli.cluster;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.Parameters;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;

/** Which models a set of bundles needs: their own, and those of the bundles that they build on. */
final class BundleModels {
  /** Parameters that name another bundle as {@code name@version}. */
  private static final Set<String> BUNDLE_KEYS = Set.of("encoder", "dense", "text");

  private BundleModels() {}

  static Set<String> of(BundleRepository repository, Collection<BundleId> bundles) {
    Deque<BundleId> open = new ArrayDeque<>(bundles);
    Set<BundleId> seen = new HashSet<>(bundles);
    Set<String> models = new TreeSet<>();
    while (!open.isEmpty()) {
      Bundle bundle = repository.get(open.remove());
      models.addAll(bundle.manifest().models().values());
      for (BundleId named : namedBy(bundle)) {
        if (seen.add(named)) {
          open.add(named);
        }
      }
    }
    return models;
  }

  private static Set<BundleId> namedBy(Bundle bundle) {
    Set<BundleId> named = new TreeSet<>();
    Parameters parameters = bundle.parameters();
    for (String key : parameters.keys()) {
      if (BUNDLE_KEYS.contains(key)) {
        named.add(BundleId.parse(parameters.text(key)));
      } else if (key.equals("sources")) {
        // A fusion's scorers.
        for (String source : parameters.map(key).keys()) {
          named.add(BundleId.parse(source));
        }
      }
    }
    return named;
  }
}

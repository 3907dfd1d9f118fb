package io.espalier.cli.cluster;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.Parameters;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.TreeSet;

/** Which models a set of bundles needs: their own, and those of the bundles that they build on. */
final class BundleModels {
  /** Parameters that name another bundle as {@code name@version}. */
  private static final Set<String> BUNDLE_KEYS = Set.of("encoder", "dense", "text");

  private BundleModels() {}

  static Set<String> of(BundleRepository repository, Collection<BundleId> bundles) {
    Set<String> models = new TreeSet<>();
    bundles(repository, bundles)
        .forEach(id -> models.addAll(repository.get(id).manifest().models().values()));
    return models;
  }

  /** These bundles and those that they build on, themselves first. */
  static Set<BundleId> bundles(BundleRepository repository, Collection<BundleId> bundles) {
    Deque<BundleId> open = new ArrayDeque<>(bundles);
    Set<BundleId> seen = new LinkedHashSet<>(bundles);
    while (!open.isEmpty()) {
      for (BundleId named : namedBy(repository.get(open.remove()))) {
        if (seen.add(named)) {
          open.add(named);
        }
      }
    }
    return seen;
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

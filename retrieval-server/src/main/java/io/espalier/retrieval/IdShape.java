package io.espalier.retrieval;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.index.trie.SemanticIdTrie;
import java.util.List;

/**
 * Which semantic ids a bundle's model can say.
 *
 * @param levels codes of an id
 * @param codes codes of a level: each is below
 */
record IdShape(int levels, int codes) {

  /**
   * Looks at an id that the log gives an item.
   *
   * @throws BundleException when it is not of this shape: the catalogue's writer has other files
   *     under the bundle's name
   */
  void check(BundleId bundle, String item, List<Integer> id) {
    if (id.size() != levels || id.stream().anyMatch(code -> code < 0 || code >= codes)) {
      throw wrong(bundle, "the log gives " + item, id.toString());
    }
  }

  /**
   * Looks at the ids that a snapshot gives.
   *
   * @throws BundleException when some are not of this shape
   */
  void check(BundleId bundle, SemanticIdTrie ofSnapshot) {
    if (ofSnapshot.levels() != levels) {
      throw wrong(bundle, "a snapshot", ofSnapshot.levels() + " levels");
    }
    int largest = ofSnapshot.largestCode();
    if (largest >= codes) {
      throw wrong(bundle, "a snapshot", "code " + largest);
    }
  }

  private BundleException wrong(BundleId bundle, String who, String what) {
    return new BundleException(
        "bundle %s: %s: %s (expected: %d codes from 0 to %d, as the bundle has here)"
            .formatted(bundle, who, what, levels, codes - 1));
  }
}

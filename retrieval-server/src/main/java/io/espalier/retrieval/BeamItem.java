package io.espalier.retrieval;

import io.espalier.index.trie.Constraint;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * An item that a beam ended in.
 *
 * @param item its index
 * @param beam the beam, whose score it has
 */
record BeamItem(int item, Beam beam) {

  /** The first k items of finished beams, best first; equal scores by the lower item. */
  static List<BeamItem> best(List<Beam> beams, Constraint constraint, int k) {
    List<BeamItem> best = new ArrayList<>();
    List<BeamItem> equal = new ArrayList<>();
    for (int b = 0; b < beams.size() && best.size() < k; b++) {
      Beam beam = beams.get(b);
      constraint.forEachItem(beam.state(), item -> equal.add(new BeamItem(item, beam)));
      if (b + 1 == beams.size() || beams.get(b + 1).score() != beam.score()) {
        equal.sort(Comparator.comparingInt(BeamItem::item));
        best.addAll(equal.subList(0, Math.min(equal.size(), k - best.size())));
        equal.clear();
      }
    }
    return best;
  }
}

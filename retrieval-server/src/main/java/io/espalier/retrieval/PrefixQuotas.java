package io.espalier.retrieval;

import io.espalier.retrieval.Control.Quota;
import java.util.Arrays;
import java.util.List;

/**
 * Quotas inside a search: of a level's candidates, taken best first, one is passed over when as
 * many as its quota allows have been taken under its prefix.
 *
 * <p>Prefixes of different lengths lie in each other. So the best of each prefix go into a heap as
 * small as its quota, what is left there into the heap of the prefix around it, and at last into
 * that of the level; the outcome is that of the walk from best to worst. Beams come in the order of
 * their prefixes, which brings each prefix's candidates together: one heap for each length is
 * enough.
 */
final class PrefixQuotas {
  // By quota, rising in length.
  private final int[] lengths;
  private final BeamHeap[] heaps;

  PrefixQuotas(List<Quota> quotas, int width) {
    this.lengths = quotas.stream().mapToInt(Quota::length).toArray();
    this.heaps =
        quotas.stream()
            .map(quota -> new BeamHeap(Math.min(quota.most(), width)))
            .toArray(BeamHeap[]::new);
  }

  /**
   * Where a beam's candidates go, beams in order.
   *
   * @param prefixes level codes a beam
   * @param all the level's heap
   */
  BeamHeap heap(int level, int[] prefixes, int beam, BeamHeap all) {
    int active = active(level);
    for (int q = active - 1; q >= 0 && beam > 0; q--) {
      int before = (beam - 1) * level;
      int now = beam * level;
      if (!Arrays.equals(prefixes, before, before + lengths[q], prefixes, now, now + lengths[q])) {
        heaps[q].moveTo(q == 0 ? all : heaps[q - 1]);
      }
    }
    return active == 0 ? all : heaps[active - 1];
  }

  /** Ends a level: what the quotas have left is in the level's heap. */
  void end(int level, BeamHeap all) {
    for (int q = active(level) - 1; q >= 0; q--) {
      heaps[q].moveTo(q == 0 ? all : heaps[q - 1]);
    }
  }

  /** Quotas that bind: a candidate is alone under a prefix of its own length. */
  private int active(int level) {
    int active = 0;
    while (active < lengths.length && lengths[active] <= level) {
      active++;
    }
    return active;
  }
}

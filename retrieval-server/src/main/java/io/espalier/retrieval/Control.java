package io.espalier.retrieval;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a caller may want of a beam search beside the best.
 *
 * @param sampling draws instead of taking the best; null takes the best
 * @param quotas the most items under one prefix, by rising length
 * @param unseenShare the share of the list up to which items that the bundle was not trained on are
 *     added, 0 to 1
 * @param loadWidth lets the server's load narrow the beams; null does not
 */
record Control(
    @Nullable Sampling sampling,
    List<Quota> quotas,
    double unseenShare,
    @Nullable LoadWidth loadWidth) {
  static final Control NONE = new Control(null, List.of(), 0, null);

  Control {
    quotas = List.copyOf(quotas);
  }

  /** Whether more than the best beams are wanted, so that a search must be led level by level. */
  boolean choosesBeams() {
    return sampling != null || !quotas.isEmpty() || unseenShare > 0;
  }

  /**
   * Draws without replacement.
   *
   * @param temperature above 0: 1 draws by the model's probabilities, less is nearer to the best
   * @param seed the same draws again, for the same question and catalogue
   */
  record Sampling(double temperature, long seed) {}

  /**
   * A bound for every prefix of one length.
   *
   * @param length codes, from 1
   * @param most beams of a level, and items of the list, that share so many first codes
   */
  record Quota(int length, int most) {}

  /**
   * How far the beams may be narrowed.
   *
   * @param least beams that remain
   * @param searches in progress at one time that still have all their beams; 0 for the server's
   *     processors
   */
  record LoadWidth(int least, int searches) {}
}

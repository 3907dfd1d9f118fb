package io.espalier.retrieval;

import io.espalier.index.filter.ItemFilter;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a source is asked, checked.
 *
 * @param k items wanted, 1..{@value #MAX_K}
 * @param beamWidth beams of a generative source, 1..{@value #MAX_BEAM_WIDTH}; 0 for the bundle's
 * @param history external ids, oldest first
 * @param query text; empty when there is none
 * @param filter which items may be returned; null for all
 * @param exclude external ids that may not, {@value #MAX_IDS} at most
 * @param catalogue the catalogue that is searched
 * @param control how a generative source chooses its beams
 * @param deadlineNanos the {@link System#nanoTime()} after which nobody waits for the answer
 */
record Question(
    int k,
    int beamWidth,
    List<String> history,
    String query,
    @Nullable ItemFilter filter,
    Set<String> exclude,
    CatalogueView catalogue,
    Control control,
    long deadlineNanos) {
  static final int MAX_K = 1000;
  static final int MAX_BEAM_WIDTH = 512;
  static final int MAX_IDS = 100_000;
}

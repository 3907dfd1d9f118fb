package io.espalier.retrieval;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;

/** Searches the n-grams of several facets together: their beams are rows of one call a step. */
final class NgramSearch {
  private final NgramModel model;
  private final List<FacetBeams> facets;

  NgramSearch(NgramModel model, List<FacetBeams> facets) {
    this.model = model;
    this.facets = facets;
  }

  /** The n-grams that were written, facet by facet. */
  List<Ngram> run() {
    // The rows of the step before that each facet's began with.
    int[] before = new int[facets.size()];
    for (int rows = rows(); rows > 0; rows = rows()) {
      int[] read = new int[rows];
      int[] parents = new int[rows];
      int[] first = new int[facets.size()];
      int row = 0;
      for (int f = 0; f < facets.size(); f++) {
        FacetBeams facet = facets.get(f);
        first[f] = row;
        for (int beam = 0; beam < facet.rows(); beam++) {
          read[row] = facet.read(beam);
          parents[row++] = before[f] + facet.parent(beam);
        }
      }
      FloatBuffer logProbs = model.logProbs(read, parents);
      for (int f = 0; f < facets.size(); f++) {
        if (facets.get(f).rows() > 0) {
          facets.get(f).take(logProbs, first[f], model.tokens());
        }
      }
      before = first;
    }
    List<Ngram> ngrams = new ArrayList<>();
    facets.forEach(facet -> ngrams.addAll(facet.finished()));
    return ngrams;
  }

  private int rows() {
    return facets.stream().mapToInt(FacetBeams::rows).sum();
  }
}

package io.espalier.retrieval;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import io.espalier.server.RequestException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Beam search for the n-grams of one facet, which may end at different lengths.
 *
 * <p>At each step the {@code width} best continuations are kept: by score, equal scores by the
 * lexicographically lower n-gram. One that ends leaves the beams for the finished; where n-grams
 * may end anywhere, every beam of every step is finished too. Once {@code width} are finished that
 * end in a mark, a beam that scores no more than the worst of them is given up, since it can only
 * fall.
 */
final class FacetBeams {
  private static final Comparator<Ngram> BEST_FIRST =
      Comparator.comparingDouble(Ngram::score)
          .reversed()
          .thenComparing(Ngram::tokens, Arrays::compare);

  private final Facet facet;
  private final Constraint constraint;
  private final int width;
  private final int[] target;
  private final BeamHeap heap;
  private final Continuations next = new Continuations();
  private final List<Ngram> finished = new ArrayList<>();
  private List<Beam> beams;
  private int step;
  private BeamSearch.@Nullable Pruned pruned;

  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Beam(int parent, int[] tokens, double score, long state) {}

  /**
   * Starts a search.
   *
   * @param target an n-gram whose way is watched; empty for none
   */
  FacetBeams(Facet facet, Constraint constraint, int width, int[] target) {
    this.facet = facet;
    this.constraint = constraint;
    this.width = width;
    this.target = target;
    this.heap = new BeamHeap(width);
    long root = constraint.root();
    int start = facet.ngrams().start();
    this.beams =
        root == Constraint.NONE
            ? List.of()
            : List.of(new Beam(0, start < 0 ? new int[0] : new int[] {start}, 0, root));
  }

  /** How many rows of the model the next step takes. */
  int rows() {
    return beams.size();
  }

  /** The token that a beam's row reads. */
  int read(int beam) {
    int[] tokens = beams.get(beam).tokens();
    return step == 0 ? facet.prompt() : tokens[tokens.length - 1];
  }

  /** The beam of the step before that a beam continues. */
  int parent(int beam) {
    return beams.get(beam).parent();
  }

  /** The n-grams that were finished. */
  List<Ngram> finished() {
    return finished;
  }

  /** Where the watched n-gram left the search; null when it did not. */
  BeamSearch.@Nullable Pruned pruned() {
    return pruned;
  }

  /**
   * Takes a step.
   *
   * @param logProbs rows of {@code tokens} values
   * @param first the row of the first beam
   */
  void take(FloatBuffer logProbs, int first, int tokens) {
    heap.clear();
    double wanted = Double.NaN;
    List<double[]> all = new ArrayList<>();
    for (int beam = 0; beam < beams.size(); beam++) {
      Beam from = beams.get(beam);
      boolean watched = pruned == null && isPrefix(from.tokens());
      constraint.expand(step, from.state(), next);
      int row = (first + beam) * tokens;
      for (int i = 0; i < next.size(); i++) {
        int token = next.code(i);
        double score = from.score() + logProbs.get(row + token);
        if (Double.isNaN(score)) {
          throw RequestException.unavailable("model: NaN among the log-probabilities");
        }
        heap.offer(score, beam * tokens + token, beam, token, next.state(i));
        if (target.length > 0) {
          all.add(new double[] {score});
          if (watched && target[from.tokens().length] == token) {
            wanted = score;
          }
        }
      }
    }
    commit();
    watch(wanted, all);
  }

  private boolean isPrefix(int[] tokens) {
    return tokens.length < target.length
        && Arrays.equals(tokens, 0, tokens.length, target, 0, tokens.length);
  }

  private void commit() {
    heap.sortByTie();
    List<Beam> grown = new ArrayList<>();
    for (int i = 0; i < heap.size(); i++) {
      Beam from = beams.get(heap.beam(i));
      int[] tokens = Arrays.copyOf(from.tokens(), from.tokens().length + 1);
      tokens[tokens.length - 1] = heap.code(i);
      boolean ended = heap.code(i) == facet.ngrams().end();
      if (ended || facet.ngrams().end() < 0) {
        finished.add(new Ngram(facet, tokens, heap.score(i)));
      }
      if (!ended && tokens.length < facet.ngrams().most()) {
        grown.add(new Beam(heap.beam(i), tokens, heap.score(i), heap.state(i)));
      }
    }
    if (facet.ngrams().end() >= 0) {
      finished.sort(BEST_FIRST);
      if (finished.size() >= width) {
        finished.subList(width, finished.size()).clear();
        double worst = finished.getLast().score();
        grown.removeIf(beam -> beam.score() <= worst);
      }
    }
    beams = grown;
    step++;
  }

  private void watch(double wanted, List<double[]> all) {
    if (target.length == 0
        || pruned != null
        || beams.stream().anyMatch(beam -> isPrefix(beam.tokens()))
        || finished.stream().anyMatch(ngram -> Arrays.equals(ngram.tokens(), target))) {
      return;
    }
    int rank = (int) all.stream().filter(score -> score[0] > wanted).count();
    pruned = new BeamSearch.Pruned(step - 1, rank);
  }
}

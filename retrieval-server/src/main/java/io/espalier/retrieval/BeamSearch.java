package io.espalier.retrieval;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import io.espalier.server.RequestException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Beam search over the legal continuations of a constraint, one request long.
 *
 * <p>A beam's score is the sum of full-vocabulary log-probabilities, never renormalised over what
 * is legal. Of the pairs (beam, legal continuation) of a level the {@code width} best live on: by
 * score, equal scores by the lexicographically lower prefix, and at the last level by the lower
 * item. Since only prefixes of legal items are candidates, the result is that of a search over a
 * trie of the legal items alone.
 *
 * <p>Beams are kept in the order of their prefixes between levels. A candidate's place in
 * lexicographic order, its tie-breaker, is then that of its beam and its code. The work of a level
 * is one pass over the children of the beams, or, for a beam that has more of them than there are
 * codes, over the scores of those codes.
 */
final class BeamSearch {
  private final Constraint constraint;
  private final StepModel model;
  private final int levels;
  private final int codes;
  private final BeamHeap heap;
  private final Continuations next = new Continuations();

  private int size = 1;
  private long[] states;
  private double[] scores;
  // size x level codes.
  private int[] prefixes;
  // By beam: the beam of the level before that it continues.
  private final int[] parents;
  // What the next level's beams are written to; swapped with the above.
  private long[] freeStates;
  private double[] freeScores;
  private int[] freePrefixes;

  BeamSearch(Constraint constraint, StepModel model, int width) {
    this.constraint = constraint;
    this.model = model;
    this.levels = constraint.levels();
    this.codes = model.codes();
    Math.multiplyExact(codes, width);
    this.heap = new BeamHeap(width);
    this.states = new long[width];
    this.scores = new double[width];
    this.prefixes = new int[width * levels];
    this.parents = new int[width];
    this.freeStates = new long[width];
    this.freeScores = new double[width];
    this.freePrefixes = new int[width * levels];
    states[0] = constraint.root();
  }

  /**
   * Where a semantic id left the search.
   *
   * @param level from 0
   * @param rank how many candidates of the level come before its prefix
   */
  record Pruned(int level, int rank) {}

  /** The finished beams, best first: by score, then by the lowest legal item. */
  List<Beam> run() {
    for (int level = 0; level < levels && size > 0; level++) {
      select(level, model.logProbs(level, prefixes, parents, size));
      commit(level);
    }
    return beams();
  }

  /**
   * Runs until a semantic id is pruned.
   *
   * @param target a legal semantic id
   * @return where it was pruned; empty when it ends as one of {@link #beams}
   */
  Optional<Pruned> trace(int[] target) {
    for (int level = 0; level < levels; level++) {
      FloatBuffer logProbs = model.logProbs(level, prefixes, parents, size);
      int rank = rank(level, logProbs, target);
      select(level, logProbs);
      if (rank >= heap.size()) {
        return Optional.of(new Pruned(level, rank));
      }
      commit(level);
    }
    return Optional.empty();
  }

  /** The beams that the search stands at, best first once it has ended. */
  List<Beam> beams() {
    List<Beam> beams = new ArrayList<>(size);
    for (int b = 0; b < size; b++) {
      List<Integer> codes = Arrays.stream(prefixes, b * levels, (b + 1) * levels).boxed().toList();
      beams.add(new Beam(codes, scores[b], states[b]));
    }
    return beams;
  }

  private void select(int level, FloatBuffer logProbs) {
    heap.clear();
    for (int beam = 0; beam < size; beam++) {
      // Where there may be many continuations for each code, it is quicker to look for those that
      // score enough.
      if (constraint.atMost(states[beam]) > codes && heap.least() > Double.NEGATIVE_INFINITY) {
        selectByScore(level, logProbs, beam);
      } else {
        selectByContinuation(level, logProbs, beam);
      }
    }
  }

  private void selectByContinuation(int level, FloatBuffer logProbs, int beam) {
    constraint.expand(level, states[beam], next);
    double prefix = scores[beam];
    int row = beam * codes;
    double least = heap.least();
    for (int i = 0; i < next.size(); i++) {
      double score = prefix + logProbs.get(row + next.code(i));
      // Negated, so that what is no number is looked at.
      if (!(score < least)) {
        offer(level, score, beam, next.code(i), next.state(i));
        least = heap.least();
      }
    }
  }

  private void selectByScore(int level, FloatBuffer logProbs, int beam) {
    double prefix = scores[beam];
    int row = beam * codes;
    double least = heap.least();
    for (int code = 0; code < codes; code++) {
      double score = prefix + logProbs.get(row + code);
      if (!(score < least)) {
        long state = constraint.follow(level, states[beam], code);
        if (state != Constraint.NONE) {
          offer(level, score, beam, code, state);
          least = heap.least();
        }
      }
    }
  }

  private void offer(int level, double score, int beam, int code, long state) {
    if (Double.isNaN(score)) {
      throw RequestException.unavailable("model: NaN among the log-probabilities");
    }
    heap.offer(score, tie(level, beam, code, state), beam, code, state);
  }

  private int tie(int level, int beam, int code, long state) {
    return level == levels - 1 ? constraint.firstItem(state) : beam * codes + code;
  }

  private void commit(int level) {
    if (level == levels - 1) {
      heap.sortByScore();
    } else {
      heap.sortByTie();
    }
    int length = level + 1;
    size = heap.size();
    for (int b = 0; b < size; b++) {
      System.arraycopy(prefixes, heap.beam(b) * level, freePrefixes, b * length, level);
      freePrefixes[b * length + level] = heap.code(b);
      parents[b] = heap.beam(b);
      freeScores[b] = heap.score(b);
      freeStates[b] = heap.state(b);
    }
    int[] oldPrefixes = prefixes;
    prefixes = freePrefixes;
    freePrefixes = oldPrefixes;
    double[] oldScores = scores;
    scores = freeScores;
    freeScores = oldScores;
    long[] oldStates = states;
    states = freeStates;
    freeStates = oldStates;
  }

  /** How many candidates of a level come before the one that continues towards the target. */
  private int rank(int level, FloatBuffer logProbs, int[] target) {
    List<Candidate> all = new ArrayList<>();
    Candidate wanted = null;
    for (int beam = 0; beam < size; beam++) {
      boolean parent = Arrays.equals(prefixes, beam * level, (beam + 1) * level, target, 0, level);
      constraint.expand(level, states[beam], next);
      for (int i = 0; i < next.size(); i++) {
        double score = scores[beam] + logProbs.get(beam * codes + next.code(i));
        Candidate candidate = new Candidate(score, tie(level, beam, next.code(i), next.state(i)));
        all.add(candidate);
        if (parent && next.code(i) == target[level]) {
          wanted = candidate;
        }
      }
    }
    if (wanted == null) {
      throw new IllegalArgumentException(
          "target: " + Arrays.toString(target) + " (expected: a legal semantic id)");
    }
    int before = 0;
    for (Candidate candidate : all) {
      if (candidate.before(wanted)) {
        before++;
      }
    }
    return before;
  }

  private record Candidate(double score, int tie) {
    boolean before(Candidate other) {
      return score > other.score || (score == other.score && tie < other.tie);
    }
  }
}

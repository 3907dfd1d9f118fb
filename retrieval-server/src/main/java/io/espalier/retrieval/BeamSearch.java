package io.espalier.retrieval;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import io.espalier.retrieval.Control.Quota;
import io.espalier.server.RequestException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

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
 *
 * <p>A {@link Control} may order candidates by drawn noise beside their score ({@link SampleNoise})
 * and bound how many live on under one prefix ({@link PrefixQuotas}); scores stay what they are.
 */
final class BeamSearch {
  private final Constraint constraint;
  private final StepModel model;
  private final IntFunction<String> ids;
  private final int levels;
  private final int codes;
  private final BeamHeap heap;
  private final Continuations next = new Continuations();
  private final @Nullable SampleNoise noise;
  private final List<Quota> quotas;
  private final @Nullable PrefixQuotas quotaHeaps;

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
  private FloatBuffer last = FloatBuffer.allocate(0);
  // Whether the width left out a legal continuation; told of draws alone.
  private boolean dropped;

  BeamSearch(Constraint constraint, StepModel model, int width) {
    this(constraint, model, width, Control.NONE, Integer::toString);
  }

  /**
   * A search.
   *
   * @param ids the external id of an item, by which it is drawn
   */
  BeamSearch(
      Constraint constraint, StepModel model, int width, Control control, IntFunction<String> ids) {
    this.constraint = constraint;
    this.model = model;
    this.ids = ids;
    this.levels = constraint.levels();
    this.codes = model.codes();
    Math.multiplyExact(codes, width);
    this.heap = new BeamHeap(width);
    this.noise = control.sampling() == null ? null : new SampleNoise(control.sampling(), width);
    this.quotas = control.quotas();
    this.quotaHeaps = quotas.isEmpty() ? null : new PrefixQuotas(quotas, width);
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
   * @param quota the length of the prefix whose quota was full before; 0 when it was the width
   */
  record Pruned(int level, int rank, int quota) {
    Pruned(int level, int rank) {
      this(level, rank, 0);
    }
  }

  /** The finished beams, best first: by score, then by the lowest legal item. */
  List<Beam> run() {
    for (int level = 0; level < levels && size > 0; level++) {
      FloatBuffer logProbs = model.logProbs(level, prefixes, parents, size);
      select(level, logProbs);
      commit(level, logProbs);
    }
    return beams();
  }

  /**
   * Runs until a semantic id is pruned; to the end when that is at the last level.
   *
   * @param target a legal semantic id
   * @return where it was pruned; empty when it ends as one of {@link #beams}
   */
  Optional<Pruned> trace(int[] target) {
    for (int level = 0; level < levels; level++) {
      FloatBuffer logProbs = model.logProbs(level, prefixes, parents, size);
      Place place = place(level, logProbs, target);
      select(level, logProbs);
      Optional<Pruned> pruned = pruned(level, target, place);
      if (pruned.isEmpty() || level == levels - 1) {
        commit(level, logProbs);
      }
      if (pruned.isPresent()) {
        return pruned;
      }
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

  /** The first k items that the beams end in, in the search's order and within its quotas. */
  List<BeamItem> best(int k) {
    if (noise == null && quotas.isEmpty()) {
      return BeamItem.best(beams(), constraint, k);
    }
    QuotaCounts counts = new QuotaCounts(quotas);
    return all().stream().filter(item -> counts.admit(item.beam().codes())).limit(k).toList();
  }

  /**
   * Of draws for which no legal item was left out: the logarithm of the sum of exp(score ÷
   * temperature) over all of them. Empty where one was, under quotas, and where nothing is drawn.
   */
  OptionalDouble logMass() {
    if (noise == null || dropped || !quotas.isEmpty() || size == 0) {
      return OptionalDouble.empty();
    }
    double[] logs = new double[size];
    double most = Double.NEGATIVE_INFINITY;
    for (int b = 0; b < size; b++) {
      int[] items = new int[1];
      constraint.forEachItem(states[b], item -> items[0]++);
      logs[b] = scores[b] / noise.temperature() + Math.log(items[0]);
      most = Math.max(most, logs[b]);
    }
    if (most == Double.NEGATIVE_INFINITY) {
      return OptionalDouble.empty();
    }
    double sum = 0;
    for (double log : logs) {
      sum += Math.exp(log - most);
    }
    return OptionalDouble.of(most + Math.log(sum));
  }

  /** Every item that the beams end in, in the search's order, whatever its quotas. */
  List<BeamItem> all() {
    return noise == null
        ? BeamItem.best(beams(), constraint, Integer.MAX_VALUE)
        : noise.order(beams(), constraint, ids);
  }

  /**
   * The legal items that share all codes but the last with a finished beam, and are wanted: by
   * score, equal scores by the lower item.
   */
  List<BeamItem> siblings(IntPredicate wanted) {
    BitSet rows = new BitSet();
    for (int b = 0; b < size; b++) {
      rows.set(parents[b]);
    }
    int level = levels - 1;
    List<BeamItem> siblings = new ArrayList<>();
    rows.stream()
        .forEach(
            row -> {
              // What was swapped out is the level before the last.
              constraint.expand(level, freeStates[row], next);
              for (int i = 0; i < next.size(); i++) {
                int[] id = Arrays.copyOfRange(freePrefixes, row * level, row * level + levels);
                id[level] = next.code(i);
                double score = freeScores[row] + last.get(row * codes + next.code(i));
                Beam beam = new Beam(Arrays.stream(id).boxed().toList(), score, next.state(i));
                constraint.forEachItem(
                    next.state(i),
                    item -> {
                      if (wanted.test(item)) {
                        siblings.add(new BeamItem(item, beam));
                      }
                    });
              }
            });
    siblings.sort(
        Comparator.comparingDouble((BeamItem item) -> -item.beam().score())
            .thenComparingInt(BeamItem::item));
    return siblings;
  }

  private void select(int level, FloatBuffer logProbs) {
    heap.clear();
    int drawn = 0;
    for (int beam = 0; beam < size; beam++) {
      BeamHeap into = quotaHeaps == null ? heap : quotaHeaps.heap(level, prefixes, beam, heap);
      // Where there may be many continuations for each code, it is quicker to look for those that
      // score enough.
      if (noise != null) {
        drawn += selectDrawn(level, logProbs, beam, into, noise);
      } else if (constraint.atMost(states[beam]) > codes
          && into.least() > Double.NEGATIVE_INFINITY) {
        selectByScore(level, logProbs, beam, into);
      } else {
        selectByContinuation(level, logProbs, beam, into);
      }
    }
    if (quotaHeaps != null) {
      quotaHeaps.end(level, heap);
    }
    dropped |= drawn > heap.size();
  }

  /** Returns how many continuations there were. */
  private int selectDrawn(
      int level, FloatBuffer logProbs, int beam, BeamHeap into, SampleNoise drawn) {
    constraint.expand(level, states[beam], next);
    int row = beam * codes;
    drawn.draw(beam, next, logProbs, row);
    for (int i = 0; i < next.size(); i++) {
      double score = scores[beam] + logProbs.get(row + next.code(i));
      offer(into, level, score + drawn.of(i), beam, next.code(i), next.state(i));
    }
    return next.size();
  }

  private void selectByContinuation(int level, FloatBuffer logProbs, int beam, BeamHeap into) {
    constraint.expand(level, states[beam], next);
    double prefix = scores[beam];
    int row = beam * codes;
    double least = into.least();
    for (int i = 0; i < next.size(); i++) {
      double score = prefix + logProbs.get(row + next.code(i));
      // Negated, so that what is no number is looked at.
      if (!(score < least)) {
        offer(into, level, score, beam, next.code(i), next.state(i));
        least = into.least();
      }
    }
  }

  private void selectByScore(int level, FloatBuffer logProbs, int beam, BeamHeap into) {
    double prefix = scores[beam];
    int row = beam * codes;
    double least = into.least();
    for (int code = 0; code < codes; code++) {
      double score = prefix + logProbs.get(row + code);
      if (!(score < least)) {
        long state = constraint.follow(level, states[beam], code);
        if (state != Constraint.NONE) {
          offer(into, level, score, beam, code, state);
          least = into.least();
        }
      }
    }
  }

  private void offer(BeamHeap into, int level, double score, int beam, int code, long state) {
    if (Double.isNaN(score)) {
      throw RequestException.unavailable("model: NaN among the log-probabilities");
    }
    into.offer(score, tie(level, beam, code, state), beam, code, state);
  }

  private int tie(int level, int beam, int code, long state) {
    return level == levels - 1 ? constraint.firstItem(state) : beam * codes + code;
  }

  private void commit(int level, FloatBuffer logProbs) {
    last = logProbs;
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
    if (noise != null) {
      for (int b = 0; b < size; b++) {
        float logProb = logProbs.get(parents[b] * codes + heap.code(b));
        // What it was ordered by has the noise in it.
        freeScores[b] = scores[parents[b]] + logProb;
        noise.follow(b, parents[b], heap.code(b), logProb);
      }
      noise.commit();
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

  /** Where the candidate stands that continues towards the target. */
  private Place place(int level, FloatBuffer logProbs, int[] target) {
    List<Candidate> all = new ArrayList<>();
    Candidate wanted = null;
    int parent = -1;
    for (int beam = 0; beam < size; beam++) {
      boolean towards = startsWith(level, beam, target, level);
      constraint.expand(level, states[beam], next);
      if (noise != null) {
        noise.draw(beam, next, logProbs, beam * codes);
      }
      for (int i = 0; i < next.size(); i++) {
        double score = scores[beam] + logProbs.get(beam * codes + next.code(i));
        Candidate candidate =
            new Candidate(
                noise == null ? score : score + noise.of(i),
                tie(level, beam, next.code(i), next.state(i)));
        all.add(candidate);
        if (towards && next.code(i) == target[level]) {
          wanted = candidate;
          parent = beam;
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
    return new Place(wanted, before, parent);
  }

  /** Why a candidate is not among those selected; empty when it is. */
  private Optional<Pruned> pruned(int level, int[] target, Place place) {
    int before = 0;
    int[] under = new int[quotas.size()];
    for (int i = 0; i < heap.size(); i++) {
      if (heap.beam(i) == place.beam && heap.code(i) == target[level]) {
        return Optional.empty();
      }
      if (new Candidate(heap.score(i), heap.tie(i)).before(place.candidate)) {
        before++;
        for (int q = 0; q < under.length; q++) {
          int length = quotas.get(q).length();
          if (length <= level && startsWith(level, heap.beam(i), target, length)) {
            under[q]++;
          }
        }
      }
    }
    for (int q = 0; q < under.length && before < scores.length; q++) {
      if (under[q] >= quotas.get(q).most()) {
        return Optional.of(new Pruned(level, place.rank, quotas.get(q).length()));
      }
    }
    return Optional.of(new Pruned(level, place.rank));
  }

  /** Whether a beam of a level begins as the target does. */
  private boolean startsWith(int level, int beam, int[] target, int length) {
    return Arrays.equals(prefixes, beam * level, beam * level + length, target, 0, length);
  }

  private record Place(Candidate candidate, int rank, int beam) {}

  private record Candidate(double score, int tie) {
    boolean before(Candidate other) {
      return score > other.score || (score == other.score && tie < other.tie);
    }
  }
}

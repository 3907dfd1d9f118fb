package io.espalier.retrieval;

import io.espalier.index.fm.LiveFm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * TransRec's grounding (Lin et al., 2024): which items n-grams speak for.
 *
 * <p>An n-gram weighs by how much likelier the decoder finds it than the corpus does. It speaks for
 * the items of its first legal rows; of those that are spoken for most, each is then scored by the
 * n-grams in it that do not overlap.
 *
 * @param gamma power of a weight, which sets the certain n-grams apart
 * @param beta share of a weight that goes by how many of an n-gram's tokens are new to the item
 * @param rows of an n-gram and of legal items that are looked at
 * @param scored items that are scored in full
 */
record Grounding(double gamma, double beta, int rows, int scored) {
  // Keeps the frequency of what is rare from 0.
  private static final int SMOOTHING = 5;

  /** An item and what its n-grams say. */
  record Grounded(int item, double score) {}

  /**
   * The weight of an n-gram.
   *
   * @param logProb the decoder's, bias included
   * @param count how often it occurs
   * @param rarity as of one so many times rarer
   * @param size tokens of the corpus
   */
  double weight(double logProb, int count, double rarity, int size) {
    if (count == 0) {
      return 0;
    }
    double model = Math.min(logProb, -1);
    double corpus = Math.log((count + SMOOTHING) / (rarity * ((double) size + SMOOTHING)));
    double said = (model + Math.log1p(-Math.exp(corpus))) - (corpus + Math.log1p(-Math.exp(model)));
    return Math.pow(Math.max(said, 0), gamma);
  }

  /** The legal items that n-grams speak for, best first; equal scores by the lower item. */
  List<Grounded> ground(List<Ngram> ngrams, LiveFm texts, LiveFm.Legal legal) {
    // In the order of their tokens, which is that of the sums.
    Map<int[], Double> weights = new TreeMap<>(Arrays::compare);
    for (Ngram ngram : ngrams) {
      double weight = ngram.weight(texts, this);
      if (weight > 0) {
        weights.put(ngram.tokens(), weight);
      }
    }
    Map<Integer, Double> first = new HashMap<>();
    Matcher matcher = new Matcher();
    weights.forEach(
        (tokens, weight) -> {
          Set<Integer> items = new HashSet<>();
          legal.forEachOccurrence(tokens, rows, items::add);
          items.forEach(item -> first.merge(item, weight, Double::sum));
          matcher.add(tokens, weight);
        });
    List<Grounded> grounded = new ArrayList<>();
    first.forEach((item, score) -> grounded.add(new Grounded(item, score)));
    Comparator<Grounded> bestFirst =
        Comparator.comparingDouble(Grounded::score).reversed().thenComparingInt(Grounded::item);
    grounded.sort(bestFirst);
    return grounded.stream()
        .limit(scored)
        .map(item -> new Grounded(item.item(), matcher.score(texts.tokens(item.item()), beta)))
        .sorted(bestFirst)
        .toList();
  }

  /** The weighed n-grams by their tokens, to be found in items. */
  static final class Matcher {
    private final Node root = new Node();

    private static final class Node {
      final Map<Integer, Node> after = new HashMap<>();
      double weight;
    }

    private record Match(int from, int to, double weight) {}

    void add(int[] ngram, double weight) {
      Node node = root;
      for (int token : ngram) {
        node = node.after.computeIfAbsent(token, t -> new Node());
      }
      node.weight = weight;
    }

    /**
     * The score of an item: its best n-grams first, each where it overlaps none before; equal
     * weights by the longer, then by the one that begins earlier.
     */
    double score(int[] item, double beta) {
      List<Match> matches = new ArrayList<>();
      for (int from = 0; from < item.length; from++) {
        Node node = root.after.get(item[from]);
        for (int to = from + 1; node != null; to++) {
          if (node.weight > 0) {
            matches.add(new Match(from, to, node.weight));
          }
          node = to < item.length ? node.after.get(item[to]) : null;
        }
      }
      matches.sort(
          Comparator.comparingDouble(Match::weight)
              .thenComparingInt(match -> match.to() - match.from())
              .thenComparing(Match::from, Collections.reverseOrder())
              .reversed());
      BitSet taken = new BitSet(item.length);
      Set<Integer> covered = new HashSet<>();
      double score = 0;
      for (Match match : matches) {
        int next = taken.nextSetBit(match.from());
        if (next >= 0 && next < match.to()) {
          continue;
        }
        taken.set(match.from(), match.to());
        Set<Integer> own = new HashSet<>();
        for (int at = match.from(); at < match.to(); at++) {
          own.add(item[at]);
        }
        int all = own.size();
        own.removeAll(covered);
        score += match.weight() * (1 - beta + beta * own.size() / all);
        covered.addAll(own);
      }
      return score;
    }
  }
}

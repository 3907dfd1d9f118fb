package io.espalier.shop;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Figures of a set of sequences, and two simple forecasts of each last item (the input is all
 * before it).
 */
final class SequenceFigures {
  private static final int WINDOW = 3;

  private final List<int[]> sequences;
  private final int items;
  private final int[] bought;

  SequenceFigures(List<int[]> sequences, int items) {
    this.sequences = sequences;
    this.items = items;
    this.bought = new int[items];
    for (int[] sequence : sequences) {
      for (int item : sequence) {
        bought[item]++;
      }
    }
  }

  int users() {
    return sequences.size();
  }

  int items() {
    return items;
  }

  long interactions() {
    return sequences.stream().mapToLong(sequence -> sequence.length).sum();
  }

  double meanLength() {
    return (double) interactions() / users();
  }

  String lengths() {
    int[] sorted = sequences.stream().mapToInt(sequence -> sequence.length).sorted().toArray();
    return sorted[0] + " / " + quantiles(sorted);
  }

  long neverBought() {
    return Arrays.stream(bought).filter(count -> count == 0).count();
  }

  String perItem() {
    return quantiles(boughtOnes());
  }

  /**
   * Over the items that were bought at all: 0 when all are bought equally often, near 1 when one
   * is.
   */
  double gini() {
    int[] sorted = boughtOnes();
    double weighted = 0;
    double sum = 0;
    for (int i = 0; i < sorted.length; i++) {
      weighted += (2.0 * (i + 1) - sorted.length - 1) * sorted[i];
      sum += sorted[i];
    }
    return weighted / (sorted.length * sum);
  }

  double topShare() {
    int[] sorted = boughtOnes();
    int top = (sorted.length + 99) / 100;
    long sum = 0;
    for (int i = sorted.length - top; i < sorted.length; i++) {
      sum += sorted[i];
    }
    return (double) sum / interactions();
  }

  /** Share of purchases of an item that the user had bought before. */
  double repeats() {
    long repeats = 0;
    for (int[] sequence : sequences) {
      repeats += sequence.length - Arrays.stream(sequence).distinct().count();
    }
    return (double) repeats / interactions();
  }

  /**
   * Recall of the items most bought before each user's last two purchases, those that the user has
   * left out.
   */
  double popularity(int k) {
    long[] counts = new long[items];
    for (int[] sequence : sequences) {
      for (int i = 0; i < sequence.length - 2; i++) {
        counts[sequence[i]]++;
      }
    }
    int[] order =
        IntStream.range(0, items)
            .boxed()
            .sorted(Comparator.<Integer>comparingLong(i -> -counts[i]).thenComparingInt(i -> i))
            .mapToInt(Integer::intValue)
            .toArray();
    int hits = 0;
    for (int[] sequence : sequences) {
      BitSet had = had(sequence);
      int shown = 0;
      for (int i = 0; i < items && shown < k; i++) {
        if (!had.get(order[i])) {
          shown++;
          hits += order[i] == sequence[sequence.length - 1] ? 1 : 0;
        }
      }
    }
    return (double) hits / users();
  }

  /**
   * Recall of the items bought within three places after the user's last ones, by others; a pair
   * counts 1 over its distance, over the root of how often the later item is bought. Pairs come
   * from all but the last two purchases.
   */
  double cooccurrence(int k) {
    List<Map<Integer, Double>> after =
        IntStream.range(0, items).<Map<Integer, Double>>mapToObj(i -> new HashMap<>()).toList();
    for (int[] sequence : sequences) {
      for (int i = 0; i < sequence.length - 2; i++) {
        for (int j = i + 1; j <= Math.min(i + WINDOW, sequence.length - 3); j++) {
          after.get(sequence[i]).merge(sequence[j], 1.0 / (j - i), Double::sum);
        }
      }
    }
    int[] counts = new int[items];
    for (int[] sequence : sequences) {
      for (int i = 0; i < sequence.length - 2; i++) {
        counts[sequence[i]]++;
      }
    }
    int hits = 0;
    double[] scores = new double[items];
    for (int[] sequence : sequences) {
      Arrays.fill(scores, 0);
      int last = sequence.length - 1;
      for (int back = 1; back <= Math.min(WINDOW, last); back++) {
        double weight = 1.0 / back;
        after
            .get(sequence[last - back])
            .forEach((item, score) -> scores[item] += weight * score / Math.sqrt(counts[item]));
      }
      had(sequence).stream().forEach(item -> scores[item] = 0);
      double target = scores[sequence[last]];
      if (target > 0) {
        int above = 0;
        for (double score : scores) {
          above += score > target ? 1 : 0;
        }
        hits += above < k ? 1 : 0;
      }
    }
    return (double) hits / users();
  }

  /** Recall of given lists, one for each user. */
  double recall(List<int[]> lists, int k) {
    int hits = 0;
    for (int u = 0; u < lists.size(); u++) {
      int[] sequence = sequences.get(u);
      int target = sequence[sequence.length - 1];
      hits += Arrays.stream(lists.get(u)).limit(k).anyMatch(item -> item == target) ? 1 : 0;
    }
    return (double) hits / users();
  }

  private static BitSet had(int[] sequence) {
    BitSet had = new BitSet();
    for (int i = 0; i < sequence.length - 1; i++) {
      had.set(sequence[i]);
    }
    return had;
  }

  private int[] boughtOnes() {
    return Arrays.stream(bought).filter(count -> count > 0).sorted().toArray();
  }

  private static String quantiles(int[] sorted) {
    int n = sorted.length;
    return sorted[n / 2]
        + " / "
        + sorted[(int) (n * 0.9)]
        + " / "
        + sorted[(int) (n * 0.99)]
        + " / "
        + sorted[n - 1];
  }
}

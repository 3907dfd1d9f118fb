package io.espalier.index.list;

import io.espalier.index.ItemIds;
import io.espalier.index.ScoredItems;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Items by how often they were interacted with, each in one category. Immutable.
 *
 * <p>The diversified order gives places to categories as D'Hondt's method gives seats to parties:
 * the j-th most popular item of a category counts {@code count / j}. A user without history then
 * sees what is popular without seeing one category alone.
 */
public final class PopularityList {
  private final ItemIds ids;
  private final double[] count;
  private final int[] category;
  // Items, most popular first; equal counts by the lower item.
  private final int[] order;

  private PopularityList(ItemIds ids, double[] count, int[] category) {
    this.ids = ids;
    this.count = count;
    this.category = category;
    this.order =
        IntStream.range(0, ids.size())
            .boxed()
            .sorted(Comparator.comparingDouble((Integer item) -> -count[item]))
            .mapToInt(Integer::intValue)
            .toArray();
  }

  /**
   * Reads {@code external id<TAB>count<TAB>category}, one item a line; indices are line numbers.
   */
  public static PopularityList read(Path file) throws IOException {
    List<String> lines = Files.readAllLines(file);
    List<String> ids = new ArrayList<>(lines.size());
    double[] count = new double[lines.size()];
    int[] category = new int[lines.size()];
    Map<String, Integer> categories = new HashMap<>();
    for (int n = 0; n < lines.size(); n++) {
      String[] parts = lines.get(n).split("\t", -1);
      double c = parts.length == 3 ? parse(parts[1]) : Double.NaN;
      if (!(c >= 0 && Double.isFinite(c))) {
        throw new IOException(
            file
                + ":"
                + (n + 1)
                + ": "
                + lines.get(n)
                + " (expected: id, TAB, count >= 0, TAB, category)");
      }
      ids.add(parts[0]);
      count[n] = c;
      category[n] = categories.computeIfAbsent(parts[2], name -> categories.size());
    }
    return new PopularityList(ItemIds.of(ids), count, category);
  }

  private static double parse(String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      return Double.NaN;
    }
  }

  public ItemIds ids() {
    return ids;
  }

  /**
   * The k most popular items; scores are counts.
   *
   * @param legal items that may be returned; null for all
   */
  public ScoredItems top(int k, @Nullable BitSet legal) {
    int[] items =
        IntStream.of(order).filter(item -> legal == null || legal.get(item)).limit(k).toArray();
    return scored(items);
  }

  /**
   * The first k items of the diversified order of the legal items; scores are counts, so they do
   * not fall from place to place.
   *
   * @param legal items that may be returned; null for all
   */
  public ScoredItems diversified(int k, @Nullable BitSet legal) {
    Map<Integer, Queue> byCategory = new HashMap<>();
    for (int item : order) {
      if (legal == null || legal.get(item)) {
        byCategory.computeIfAbsent(category[item], c -> new Queue()).items.add(item);
      }
    }
    PriorityQueue<Queue> queues =
        new PriorityQueue<>(
            Comparator.comparingDouble((Queue q) -> -count[q.head()] / (q.taken + 1))
                .thenComparingInt(Queue::head));
    queues.addAll(byCategory.values());
    IntStream.Builder items = IntStream.builder();
    for (int n = 0; n < k && !queues.isEmpty(); n++) {
      Queue queue = queues.remove();
      items.add(queue.head());
      queue.taken++;
      if (queue.taken < queue.items.size()) {
        queues.add(queue);
      }
    }
    return scored(items.build().toArray());
  }

  private ScoredItems scored(int[] items) {
    float[] scores = new float[items.length];
    for (int i = 0; i < items.length; i++) {
      scores[i] = (float) count[items[i]];
    }
    return new ScoredItems(items, scores);
  }

  /** A category's legal items, most popular first, and how many have been given a place. */
  private static final class Queue {
    private final List<Integer> items = new ArrayList<>();
    private int taken;

    private int head() {
      return items.get(taken);
    }
  }
}

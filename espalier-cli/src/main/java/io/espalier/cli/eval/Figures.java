package io.espalier.cli.eval;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The figures of one source: one value a case (a user or a query) for each measure, and what went
 * wrong. Cases may be recorded from several threads, each once.
 */
final class Figures {
  /** Lists are asked for this long where the source can. */
  static final int DEPTH = 100;

  private final String source;
  private final String unit;
  private final int asked;
  final double[] recall5;
  final double[] recall10;
  final double[] recall100;
  final double[] ndcg5;
  final double[] ndcg10;
  private final Exposure exposure = new Exposure();
  private final AtomicInteger longest = new AtomicInteger();
  private final AtomicInteger illegal = new AtomicInteger();
  private final AtomicInteger shortLists = new AtomicInteger();
  private final AtomicInteger degraded = new AtomicInteger();
  private final ConcurrentMap<String, Integer> reasons = new ConcurrentSkipListMap<>();

  /**
   * Room for {@code cases} cases.
   *
   * @param unit {@code users} or {@code queries}
   * @param asked items that each call asked for
   */
  Figures(String source, String unit, int cases, int asked) {
    this.source = source;
    this.unit = unit;
    this.asked = asked;
    recall5 = new double[cases];
    recall10 = new double[cases];
    recall100 = new double[cases];
    ndcg5 = new double[cases];
    ndcg10 = new double[cases];
  }

  String source() {
    return source;
  }

  /**
   * Records a case with a single relevant item. Items in {@code forbidden} or unknown to the
   * catalogue are illegal.
   */
  void record(
      int index, Answer answer, String target, Set<String> catalogue, Set<String> forbidden) {
    List<String> items = answer.items();
    recall5[index] = RankingFigures.hit(items, target, 5);
    recall10[index] = RankingFigures.hit(items, target, 10);
    recall100[index] = RankingFigures.hit(items, target, DEPTH);
    ndcg5[index] = RankingFigures.ndcgOfOne(items, target, 5);
    ndcg10[index] = RankingFigures.ndcgOfOne(items, target, 10);
    count(answer, catalogue, forbidden);
  }

  /** Records a case with graded items, one of them at least positive. */
  void record(int index, Answer answer, Map<String, Integer> grades, Set<String> catalogue) {
    List<String> items = answer.items();
    recall5[index] = RankingFigures.recall(items, grades, 5);
    recall10[index] = RankingFigures.recall(items, grades, 10);
    recall100[index] = RankingFigures.recall(items, grades, DEPTH);
    ndcg5[index] = RankingFigures.ndcg(items, grades, 5);
    ndcg10[index] = RankingFigures.ndcg(items, grades, 10);
    count(answer, catalogue, Set.of());
  }

  private void count(Answer answer, Set<String> catalogue, Set<String> forbidden) {
    List<String> items = answer.items();
    exposure.add(items);
    longest.accumulateAndGet(items.size(), Math::max);
    long distinct = items.stream().distinct().count();
    long bad =
        items.stream().filter(id -> !catalogue.contains(id) || forbidden.contains(id)).count();
    // A repeated item is illegal too: a list holds an item once.
    illegal.addAndGet((int) (bad + items.size() - distinct));
    if (items.size() < asked) {
      shortLists.incrementAndGet();
    }
    if (!answer.degradations().isEmpty()) {
      degraded.incrementAndGet();
      answer.degradations().forEach(why -> reasons.merge(why, 1, Integer::sum));
    }
  }

  /** What the lists held. */
  Exposure exposure() {
    return exposure;
  }

  int cases() {
    return recall5.length;
  }

  int illegal() {
    return illegal.get();
  }

  int shortLists() {
    return shortLists.get();
  }

  int degraded() {
    return degraded.get();
  }

  /** How often each thing was left out. */
  Map<String, Integer> degradations() {
    return reasons;
  }

  /** Whether any list was long enough for recall at 100 to mean something. */
  boolean reaches100() {
    return longest.get() >= DEPTH;
  }

  static double mean(double[] values) {
    return Arrays.stream(values).average().orElse(Double.NaN);
  }

  /** One line of {@code eval --json}. */
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("source", source);
    json.put(unit, cases());
    json.put("recall@5", rounded(recall5));
    json.put("recall@10", rounded(recall10));
    if (reaches100()) {
      json.put("recall@100", rounded(recall100));
    } else {
      json.putNull("recall@100");
    }
    json.put("ndcg@5", rounded(ndcg5));
    json.put("ndcg@10", rounded(ndcg10));
    json.put("illegal", illegal());
    json.put("short", shortLists());
    json.put("degraded", degraded());
    return json;
  }

  private static double rounded(double[] values) {
    return rounded(mean(values));
  }

  /** A figure as {@code eval --json} has it. */
  static double rounded(double value) {
    return Math.round(value * 1e6) / 1e6;
  }
}

package io.espalier.shop;

import io.espalier.shop.History.Search;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * All searches, counted by words and by what was bought after them. The test part is a sample in
 * which about 70 % of the distinct queries do not occur in the training part, as in BEQUE's report
 * of a large shop.
 */
final class QueryLog {
  /** Share of the distinct test queries that the training part lacks. */
  static final double UNSEEN = 0.7;

  /** {@code bought} is -1 for searches without a purchase. */
  record Row(String query, int bought, int count) {}

  private final TreeMap<String, TreeMap<Integer, Integer>> train = new TreeMap<>();
  private final TreeMap<String, TreeMap<Integer, Integer>> test = new TreeMap<>();
  private final Map<String, Intent> intents = new TreeMap<>();

  QueryLog(List<History> histories, Dice dice) {
    for (History history : histories) {
      for (Search search : history.searches()) {
        var part = history.heldOut(search.time()) ? test : train;
        part.computeIfAbsent(search.query(), key -> new TreeMap<>())
            .merge(search.bought(), 1, Integer::sum);
        intents.putIfAbsent(search.query(), search.intent());
      }
    }
    List<String> seen = new ArrayList<>();
    List<String> unseen = new ArrayList<>();
    for (String query : test.keySet()) {
      (train.containsKey(query) ? seen : unseen).add(query);
    }
    int keepSeen = (int) StrictMath.rint(unseen.size() * (1 - UNSEEN) / UNSEEN);
    int keepUnseen = (int) StrictMath.rint(seen.size() * UNSEEN / (1 - UNSEEN));
    drop(seen, keepSeen, dice.split("seen"));
    drop(unseen, keepUnseen, dice.split("unseen"));
  }

  List<Row> train() {
    return rows(train);
  }

  List<Row> test() {
    return rows(test);
  }

  Set<String> trainQueries() {
    return train.keySet();
  }

  List<String> testQueries() {
    return List.copyOf(test.keySet());
  }

  /** What the query meant where it was first searched for. */
  Intent intent(String query) {
    Intent intent = intents.get(query);
    if (intent == null) {
      throw new IllegalArgumentException("query: " + query + " (expected: a query of the log)");
    }
    return intent;
  }

  double unseenShare() {
    Set<String> unseen = new HashSet<>(test.keySet());
    unseen.removeAll(train.keySet());
    return (double) unseen.size() / test.size();
  }

  private void drop(List<String> queries, int keep, Dice dice) {
    int[] order = dice.permutation(queries.size());
    for (int i = StrictMath.min(keep, order.length); i < order.length; i++) {
      test.remove(queries.get(order[i]));
    }
  }

  private static List<Row> rows(Map<String, ? extends Map<Integer, Integer>> part) {
    List<Row> rows = new ArrayList<>();
    part.forEach(
        (query, bought) -> bought.forEach((item, count) -> rows.add(new Row(query, item, count))));
    return rows;
  }
}

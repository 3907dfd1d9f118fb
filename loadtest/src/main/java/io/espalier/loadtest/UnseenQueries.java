package io.espalier.loadtest;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;

/**
 * Queries that nobody asked before: the first half of a logged one and the second half of another,
 * so that their words and lengths are those of the log.
 */
final class UnseenQueries {
  private static final int MOST_TRIES = 1000;

  private final List<List<String>> logged;
  private final Random random;
  private final Set<String> seen = new HashSet<>();

  /**
   * Makes queries of logged ones.
   *
   * @param seed the same ones for the same seed
   */
  UnseenQueries(List<String> queries, long seed) {
    this.logged = queries.stream().map(UnseenQueries::words).toList();
    this.random = new Random(seed);
    logged.forEach(words -> seen.add(String.join(" ", words)));
  }

  /**
   * The next one.
   *
   * @throws IllegalStateException when there is hardly one left
   */
  String next() {
    for (int tries = 0; tries < MOST_TRIES; tries++) {
      List<String> first = logged.get(random.nextInt(logged.size()));
      List<String> second = logged.get(random.nextInt(logged.size()));
      List<String> words = new ArrayList<>(first.subList(0, (first.size() + 1) / 2));
      words.addAll(second.subList(second.size() / 2, second.size()));
      String query = String.join(" ", words);
      if (first != second && seen.add(query)) {
        return query;
      }
    }
    throw new IllegalStateException(
        "%d logged queries make no more that were not asked (expected: a longer log or a shorter run)"
            .formatted(logged.size()));
  }

  private static List<String> words(String query) {
    return List.of(query.strip().toLowerCase(Locale.ROOT).split("\\s+"));
  }
}

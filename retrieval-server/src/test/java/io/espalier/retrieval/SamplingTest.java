package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.retrieval.BeamSearchTest.Instance;
import io.espalier.retrieval.Control.Sampling;
import io.espalier.stores.catalog.CatalogItem;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Draws against the distribution that they are to have, and the search at the limits. */
class SamplingTest {
  // Of a distribution that fits, one run in a hundred thousand is beyond this many standard
  // deviations of the cube root of χ² (Wilson and Hilferty, 1931); seeds are fixed.
  private static final double MOST_DEVIATIONS = 4.3;
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");

  @Test
  void best_drawn_areDistinctLegalItemsWithTheirPlainScores() {
    BeamSearchTest.forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(8);
          Sampling sampling = new Sampling(temperature(instance.random()), 3);
          List<BeamItem> drawn = draw(instance.constraint(), instance.model(), width, sampling);
          Set<Integer> items = new HashSet<>();
          for (BeamItem item : drawn) {
            assertThat(items.add(item.item())).isTrue();
            assertThat(instance.legal().get(item.item())).isTrue();
            int[] codes = instance.codes(item.item());
            assertThat(item.beam().codes()).isEqualTo(Arrays.stream(codes).boxed().toList());
            assertThat(item.beam().score()).isEqualTo(instance.score(codes));
          }
          if (instance.ids() <= width) {
            assertThat(items).hasSize(instance.legal().cardinality());
          }
          // Again: neither the snapshot's and the delta's shares nor what went before count.
          assertThat(items(draw(instance.constraint(), instance.model(), width, sampling)))
              .isEqualTo(items(drawn));
        });
  }

  @Test
  void best_temperatureNearZero_isThePlainSearch() {
    int[] compared = {0};
    BeamSearchTest.forEachInstance(
        instance -> {
          FineModel model = new FineModel(instance.model(), instance.model().codes());
          if (!hasTies(instance, model)) {
            int width = 1 + instance.random().nextInt(6);
            BeamSearch plain = new BeamSearch(instance.constraint(), model, width);
            plain.run();
            assertThat(items(draw(instance.constraint(), model, width, new Sampling(1e-12, 5))))
                .isEqualTo(items(plain.best(Integer.MAX_VALUE)));
            compared[0]++;
          }
        });
    assertThat(compared[0]).isPositive();
  }

  @Test
  void best_beamsForAll_drawsTheFirstAndTheSecondByTheirProbability() {
    for (long seed = 0; seed < 40; seed++) {
      Instance instance = Instance.draw(seed);
      double temperature = temperature(new Random(seed));
      int[] legal = instance.legal().stream().limit(6).toArray();
      if (legal.length < 2) {
        continue;
      }
      int[] ids = new int[instance.items() * instance.levels()];
      Arrays.fill(ids, -1);
      for (int item : legal) {
        System.arraycopy(instance.codes(item), 0, ids, item * instance.levels(), instance.levels());
      }
      SemanticIdTrie trie = SemanticIdTrie.build(instance.levels(), ids);
      double[] weights =
          Arrays.stream(legal)
              .mapToDouble(item -> Math.exp(instance.score(instance.codes(item)) / temperature))
              .toArray();
      requirePairs(
          "seed " + seed + ", temperature " + temperature,
          legal,
          weights,
          n ->
              draw(
                  trie.constraint(trie.legal()),
                  instance.model(),
                  legal.length,
                  new Sampling(temperature, n)));
    }
  }

  /** Two beams of nine prefixes: what stochastic beam search promises of two draws. */
  @Test
  void best_twoBeamsWhereAllIsLegal_drawsTwoByTheirProbability() {
    int codes = 4;
    for (long seed = 0; seed < 10; seed++) {
      NormalModel model = new NormalModel(seed, codes);
      int[] ids = new int[codes * codes * 2];
      double[] weights = new double[codes * codes];
      for (int item = 0; item < codes * codes; item++) {
        ids[2 * item] = item / codes;
        ids[2 * item + 1] = item % codes;
        weights[item] =
            Math.exp(model.value(0, item / codes) + model.value(1 + item / codes, item % codes));
      }
      SemanticIdTrie trie = SemanticIdTrie.build(2, ids);
      requirePairs(
          "seed " + seed,
          IntStream.range(0, codes * codes).toArray(),
          weights,
          n -> draw(trie.constraint(trie.legal()), model, 2, new Sampling(1, n)));
    }
  }

  /** A snapshot made of what is left numbers the items anew; the draws stay. */
  @Test
  void best_drawnOverACompactedCatalogue_areTheSameItems() {
    BeamSearchTest.forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(8);
          Sampling sampling =
              new Sampling(temperature(instance.random()), instance.random().nextLong());
          CatalogState state = afterRemovals(instance);
          assertThat(ids(state.compacted(), instance, width, sampling))
              .isEqualTo(ids(state, instance, width, sampling));
        });
  }

  /** All of an instance's items, then those removed that are not legal. */
  private static CatalogState afterRemovals(Instance instance) {
    List<CatalogItem> items = new ArrayList<>();
    Map<String, List<Integer>> codes = new HashMap<>();
    List<LoggedChange> removals = new ArrayList<>();
    for (int item = 0; item < instance.items(); item++) {
      String id = "item-" + item;
      items.add(item(id));
      codes.put(id, Arrays.stream(instance.codes(item)).boxed().toList());
      if (!instance.legal().get(item)) {
        long offset = instance.items() + 1L + removals.size();
        removals.add(new LoggedChange(offset, new CatalogChange.Removal(id)));
      }
    }
    return CatalogState.of(items).with(BUNDLE, instance.levels(), codes).after(removals);
  }

  private static CatalogItem item(String id) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }

  private static List<String> ids(
      CatalogState state, Instance instance, int width, Sampling sampling) {
    LiveTrie trie = Objects.requireNonNull(state.tries().get(BUNDLE));
    Constraint legal = trie.legal().constraint();
    return draw(legal, instance.model(), width, sampling, state.items()::id).stream()
        .map(found -> state.items().id(found.item()))
        .toList();
  }

  private interface Draw {
    List<BeamItem> of(long seed);
  }

  /** The first item, and the first two in their order. */
  private static void requirePairs(String what, int[] items, double[] weights, Draw draw) {
    int draws = 20_000;
    double total = Arrays.stream(weights).sum();
    Map<String, Double> expected = new HashMap<>();
    for (int a = 0; a < items.length; a++) {
      expected.put("" + items[a], draws * weights[a] / total);
      for (int b = 0; b < items.length; b++) {
        if (b != a) {
          expected.put(
              items[a] + " " + items[b],
              draws * weights[a] / total * weights[b] / (total - weights[a]));
        }
      }
    }
    Map<String, Integer> firsts = new TreeMap<>();
    Map<String, Integer> pairs = new TreeMap<>();
    for (long n = 0; n < draws; n++) {
      List<Integer> drawn = items(draw.of(n));
      firsts.merge("" + drawn.get(0), 1, Integer::sum);
      pairs.merge(drawn.get(0) + " " + drawn.get(1), 1, Integer::sum);
    }
    assertThat(deviations(firsts, expected, false))
        .as(what + ", first")
        .isLessThan(MOST_DEVIATIONS);
    assertThat(deviations(pairs, expected, true)).as(what + ", pairs").isLessThan(MOST_DEVIATIONS);
  }

  private static double deviations(
      Map<String, Integer> counted, Map<String, Double> expected, boolean pairs) {
    double chi = 0;
    int cells = 0;
    double rareExpected = 0;
    int rareCounted = 0;
    for (var entry : expected.entrySet()) {
      if (entry.getKey().contains(" ") != pairs) {
        continue;
      }
      double wanted = entry.getValue();
      int got = counted.getOrDefault(entry.getKey(), 0);
      if (wanted < 5) {
        rareExpected += wanted;
        rareCounted += got;
      } else {
        chi += (got - wanted) * (got - wanted) / wanted;
        cells++;
      }
    }
    if (rareExpected >= 5) {
      chi += (rareCounted - rareExpected) * (rareCounted - rareExpected) / rareExpected;
      cells++;
    }
    int freedom = cells - 1;
    if (freedom < 1) {
      return 0;
    }
    double spread = 2.0 / (9 * freedom);
    return (Math.cbrt(chi / freedom) - (1 - spread)) / Math.sqrt(spread);
  }

  private static double temperature(Random random) {
    return List.of(0.5, 1.0, 2.0).get(random.nextInt(3));
  }

  private static List<BeamItem> draw(
      Constraint constraint, StepModel model, int width, Sampling sampling) {
    return draw(constraint, model, width, sampling, Integer::toString);
  }

  private static List<BeamItem> draw(
      Constraint constraint,
      StepModel model,
      int width,
      Sampling sampling,
      IntFunction<String> ids) {
    BeamSearch search =
        new BeamSearch(constraint, model, width, new Control(sampling, List.of(), 0, null), ids);
    search.run();
    return search.best(Integer.MAX_VALUE);
  }

  private static List<Integer> items(List<BeamItem> items) {
    return items.stream().map(BeamItem::item).toList();
  }

  private static boolean hasTies(Instance instance, FineModel model) {
    Map<Double, Integer> scores = new HashMap<>();
    Set<String> prefixes = new HashSet<>();
    for (int item : instance.legal().stream().toArray()) {
      double score = 0;
      for (int d = 0; d < instance.levels(); d++) {
        int[] prefix = Arrays.copyOf(instance.codes(item), d);
        score += model.value(prefix, instance.codes(item)[d]);
        if (prefixes.add(Arrays.toString(Arrays.copyOf(instance.codes(item), d + 1)))
            && scores.put(score, item) != null) {
          return true;
        }
      }
    }
    return instance.ids() < instance.legal().cardinality();
  }

  /** A grid's values and a hash's fine differences between them. */
  private record FineModel(GridModel grid, int codes) implements StepModel {
    float value(int[] prefix, int code) {
      return grid.value(prefix, code)
          + (new Random(31L * Arrays.hashCode(prefix) + code).nextInt(1 << 20) * 0x1p-23f);
    }

    @Override
    public FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int rows) {
      FloatBuffer values = FloatBuffer.allocate(rows * codes);
      for (int row = 0; row < rows; row++) {
        int[] prefix = Arrays.copyOfRange(prefixes, row * level, (row + 1) * level);
        for (int code = 0; code < codes; code++) {
          values.put(value(prefix, code));
        }
      }
      return values.flip();
    }
  }

  /** Two levels, each row a distribution. */
  private static final class NormalModel implements StepModel {
    private final int codes;
    private final float[][] rows;

    NormalModel(long seed, int codes) {
      this.codes = codes;
      this.rows = new float[1 + codes][codes];
      Random random = new Random(seed);
      for (float[] row : rows) {
        double sum = 0;
        for (int code = 0; code < codes; code++) {
          row[code] = (float) random.nextGaussian();
          sum += Math.exp(row[code]);
        }
        for (int code = 0; code < codes; code++) {
          row[code] -= (float) Math.log(sum);
        }
      }
    }

    float value(int row, int code) {
      return rows[row][code];
    }

    @Override
    public int codes() {
      return codes;
    }

    @Override
    public FloatBuffer logProbs(int level, int[] prefixes, int[] parents, int count) {
      FloatBuffer values = FloatBuffer.allocate(count * codes);
      for (int row = 0; row < count; row++) {
        values.put(rows[level == 0 ? 0 : 1 + prefixes[row]]);
      }
      return values.flip();
    }
  }
}

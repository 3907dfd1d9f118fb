package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.Range;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.testing.FunctionRunner;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * COBRA over a catalogue that changes, against a search that knows neither trie nor view: the legal
 * items in a list, their prefixes sorted level by level, all of those under the beams compared.
 * Models answer on coarse grids, so that scores are exact and ties common.
 */
class CobraRetrieverTest {
  private static final int BUNDLES = 60;
  private static final int BATCHES = 6;
  private static final int QUESTIONS = 10;

  @Test
  void retrieve_liveCatalogue_equalsComparingTheLegalItemsUnderNaiveBeams(@TempDir Path dir)
      throws IOException {
    long seed = System.nanoTime();
    System.out.println("seeds: " + seed + " to " + (seed + BUNDLES - 1));
    int answered = 0;
    for (int n = 0; n < BUNDLES; n++) {
      World world = new World(seed + n, dir.resolve("" + n));
      for (int batch = 0; batch < BATCHES; batch++) {
        world.change();
        for (int q = 0; q < QUESTIONS; q++) {
          Asked asked = world.ask();
          Answer answer = world.retriever.retrieve(asked.question());
          Expected expected = new Expected(world, asked);
          try {
            assertThat(lines(answer)).isEqualTo(expected.lines());
            assertThat(answer.shortList()).isEqualTo(expected.lines().size() < asked.k());
            assertThat(answer.historyUsed()).isEqualTo(expected.known.size());
            for (int i = 0; i < 4; i++) {
              String id = world.anyId();
              Verdict verdict = world.retriever.explain(asked.question(), id);
              assertThat(fate(verdict)).as(id).isEqualTo(expected.fate(id));
            }
          } catch (AssertionError | RuntimeException e) {
            throw new AssertionError("seed: " + (seed + n) + ", " + asked, e);
          }
          answered += answer.hits().isEmpty() ? 0 : 1;
        }
      }
    }
    assertThat(answered).isGreaterThan(BUNDLES * BATCHES * QUESTIONS / 3);
  }

  @Test
  void open_vectorsOfAnotherWidth_isRefused(@TempDir Path dir) throws IOException {
    Bundle bundle = new World(1, dir).bundle("wide", "width: 9");

    assertThatThrownBy(
            () ->
                CobraRetriever.open(
                    bundle,
                    new Catalogue(CatalogState.of(List.of()), null, Runnable::run),
                    new ModelCalls(new FunctionRunner())))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("width: 9 (expected: 2, as item_vectors)");
  }

  private static List<String> lines(Answer answer) {
    return answer.hits().stream()
        .map(hit -> hit.id() + " " + hit.semanticId() + " " + hit.score())
        .toList();
  }

  private static String fate(Verdict verdict) {
    return switch (verdict.fate()) {
      case PRUNED -> Fate.PRUNED + " " + verdict.level() + " " + verdict.rank();
      case KEPT, OUTRANKED -> verdict.fate() + " " + verdict.rank();
      default -> verdict.fate().toString();
    };
  }

  /** An item of the catalogue, as the test knows it. */
  private record Known(int price, List<Integer> codes) {}

  private record Asked(
      int k, int width, List<String> history, int least, Set<String> exclude, Question question) {}

  /** A random bundle, and a catalogue that changes. */
  private static final class World {
    private static final BundleId ID = BundleId.parse("cobra@1");

    private final Random random;
    final GridCobra model;
    private final int levels;
    private final int trained;
    final Map<String, float[]> vectors = new HashMap<>();
    final Map<String, List<Integer>> trainedCodes = new LinkedHashMap<>();
    // In the order in which the catalogue came to know them.
    final Map<String, Known> items = new LinkedHashMap<>();
    private final TestRepository repository;
    private final Catalogue catalogue;
    final CobraRetriever retriever;
    private long offset;

    World(long seed, Path dir) throws IOException {
      random = new Random(seed);
      levels = 1 + random.nextInt(3);
      trained = 1 + random.nextInt(25);
      model = new GridCobra(seed, levels, 1 + random.nextInt(5));
      for (int i = 0; i < trained; i++) {
        vectors.put("t" + i, GridCobra.GRID[random.nextInt(GridCobra.GRID.length)]);
        if (random.nextInt(10) > 0) {
          trainedCodes.put("t" + i, someCodes());
        }
      }
      List<CatalogItem> atFirst = new ArrayList<>();
      for (int i = 0; i < trained + 3; i++) {
        if (random.nextBoolean()) {
          String id = i < trained ? "t" + i : "stranger" + i;
          int price = random.nextInt(4);
          atFirst.add(item(id, price));
          items.put(id, new Known(price, trainedCodes.getOrDefault(id, List.of())));
        }
      }
      repository = new TestRepository(dir);
      catalogue = new Catalogue(CatalogState.of(atFirst), null, Runnable::run);
      offset = atFirst.size();
      retriever =
          CobraRetriever.open(
              bundle("cobra", "width: " + GridCobra.WIDTH),
              catalogue,
              new ModelCalls(model.serve(new FunctionRunner())));
    }

    Bundle bundle(String name, String width) throws IOException {
      Map<String, String> models = new HashMap<>(Map.of("prefill", "prefill", "dense", "dense"));
      for (int level = 1; level < levels; level++) {
        models.put("step" + level, "step" + level);
      }
      List<String> ids = IntStream.range(0, trained).mapToObj(i -> "t" + i).toList();
      float[][] rows = ids.stream().map(vectors::get).toArray(float[][]::new);
      List<String> codes =
          trainedCodes.entrySet().stream()
              .map(e -> e.getKey() + "\t" + e.getValue().toString().replaceAll("[\\[\\],]", ""))
              .toList();
      repository.add(
          name,
          "COBRA",
          "generate",
          "{history: 4, history_sizes: [2, 4], levels: %d, codes: %d, cache_width: 1, beam: 3, %s}"
              .formatted(levels, model.codes(), width),
          models,
          Map.of(
              "items", TestRepository.lines(ids),
              "semantic_ids", TestRepository.lines(codes),
              "item_vectors", TestRepository.npy(rows)));
      return repository.open().get(BundleId.parse(name + "@1"));
    }

    /** A batch of changes; some bring items with a semantic id and no vector. */
    void change() {
      List<LoggedChange> changes = new ArrayList<>();
      for (int n = random.nextInt(8); n > 0; n--) {
        String id = anyId();
        if (random.nextInt(3) == 0) {
          changes.add(new LoggedChange(++offset, new CatalogChange.Removal(id)));
          items.remove(id);
        } else {
          int price = random.nextInt(4);
          List<Integer> codes =
              switch (random.nextInt(4)) {
                case 0 -> List.of();
                case 1 -> trainedCodes.getOrDefault(id, List.of());
                default -> someCodes();
              };
          changes.add(
              new LoggedChange(
                  ++offset,
                  new CatalogChange.Upsert(
                      item(id, price), codes.isEmpty() ? Map.of() : Map.of(ID, codes))));
          // Where the writer says nothing an item has the id that the bundle was trained on.
          items.put(
              id,
              new Known(price, codes.isEmpty() ? trainedCodes.getOrDefault(id, List.of()) : codes));
        }
      }
      catalogue.changed(changes);
    }

    Asked ask() {
      CatalogueView view = catalogue.view();
      if (random.nextInt(4) == 0) {
        view = view.compacted();
      }
      int k = 1 + random.nextInt(random.nextBoolean() ? 4 : 40);
      int width = random.nextInt(6);
      List<String> history =
          IntStream.range(0, 1 + random.nextInt(6)).mapToObj(i -> anyId()).toList();
      int least = random.nextInt(3);
      Set<String> exclude = new HashSet<>();
      for (int n = random.nextInt(4); n > 0; n--) {
        exclude.add(anyId());
      }
      Filter filter =
          Filter.newBuilder()
              .setRange(Range.newBuilder().setAttribute("price").setMin(least))
              .build();
      Question question =
          new Question(
              k,
              width,
              history,
              "",
              least == 0 ? null : FilterReader.read(filter),
              exclude,
              view,
              Control.NONE,
              Long.MAX_VALUE);
      return new Asked(k, width == 0 ? 3 : width, history, least, exclude, question);
    }

    String anyId() {
      int i = random.nextInt(trained + 3);
      return i < trained ? "t" + i : "stranger" + i;
    }

    private List<Integer> someCodes() {
      return random.ints(levels, 0, model.codes()).boxed().toList();
    }

    private static CatalogItem item(String id, int price) {
      return new CatalogItem(
          id, "", "", List.of(), "", OptionalDouble.of(price), Map.of(), "", OptionalLong.empty());
    }
  }

  /** What should come of a question, found from the items alone. */
  private static final class Expected {
    private record Legal(String id, List<Integer> codes) {}

    private final World world;
    private final Asked asked;
    final List<String> known;
    private final List<Legal> legal;
    private final long request;
    // By level the candidates in order, and the beams that they were cut to.
    private final List<List<List<Integer>>> ranked = new ArrayList<>();
    private List<List<Integer>> beams = List.of(List.of());
    private final List<String> lines = new ArrayList<>();

    Expected(World world, Asked asked) {
      this.world = world;
      this.asked = asked;
      known =
          asked.history().stream()
              .filter(world.vectors::containsKey)
              .filter(id -> !codesOf(id).isEmpty())
              .toList();
      legal =
          world.items.entrySet().stream()
              .filter(e -> e.getValue().price() >= asked.least())
              .filter(e -> !e.getValue().codes().isEmpty())
              .filter(e -> !asked.exclude().contains(e.getKey()))
              .map(e -> new Legal(e.getKey(), e.getValue().codes()))
              .toList();
      int places = known.size() <= 2 ? 2 : 4;
      List<String> kept = known.subList(Math.max(0, known.size() - places), known.size());
      request =
          GridCobra.request(
              places,
              kept.stream().map(this::codesOf).toList(),
              kept.stream().map(world.vectors::get).toList());
      if (!known.isEmpty()) {
        search();
        fuse();
      }
    }

    List<String> lines() {
      return lines.stream().limit(asked.k()).toList();
    }

    /** Of an item that the catalogue has, the id that it has there. */
    private List<Integer> codesOf(String id) {
      Known item = world.items.get(id);
      return item == null || item.codes().isEmpty()
          ? world.trainedCodes.getOrDefault(id, List.of())
          : item.codes();
    }

    private double score(List<Integer> prefix) {
      double sum = 0;
      for (int d = 0; d < prefix.size(); d++) {
        sum += world.model.logProb(request, prefix.subList(0, d), prefix.get(d));
      }
      return sum;
    }

    private void search() {
      for (int level = 0; level < world.levels; level++) {
        int length = level + 1;
        List<List<Integer>> before = beams;
        Map<List<Integer>, Integer> first = new LinkedHashMap<>();
        for (int i = 0; i < legal.size(); i++) {
          List<Integer> codes = legal.get(i).codes();
          if (before.contains(codes.subList(0, level))) {
            first.putIfAbsent(codes.subList(0, length), i);
          }
        }
        boolean last = length == world.levels;
        List<List<Integer>> candidates = new ArrayList<>(first.keySet());
        candidates.sort(
            (a, b) -> {
              int byScore = Double.compare(score(b), score(a));
              if (byScore != 0) {
                return byScore;
              }
              return last
                  ? Integer.compare(first.getOrDefault(a, 0), first.getOrDefault(b, 0))
                  : Arrays.compare(a.toArray(Integer[]::new), b.toArray(Integer[]::new));
            });
        ranked.add(candidates);
        beams = candidates.stream().limit(asked.width()).toList();
      }
    }

    private void fuse() {
      record Candidate(String id, int order, List<Integer> codes, int beam, double cosine) {}
      List<Candidate> union = new ArrayList<>();
      for (int beam = 0; beam < beams.size(); beam++) {
        List<Integer> codes = beams.get(beam);
        float[] meant = world.model.vector(request, codes);
        for (int i = 0; i < legal.size(); i++) {
          Legal item = legal.get(i);
          float[] vector = world.vectors.get(item.id());
          if (item.codes().equals(codes) && vector != null) {
            union.add(new Candidate(item.id(), i, codes, beam, cosine(vector, meant)));
          }
        }
      }
      double[] scores =
          new BeamFusion(0.9, 16)
              .logScores(
                  beams.stream().mapToDouble(this::score).toArray(),
                  union.stream().mapToInt(Candidate::beam).toArray(),
                  union.stream().mapToDouble(Candidate::cosine).toArray());
      IntStream.range(0, scores.length)
          .boxed()
          .sorted(
              (a, b) -> {
                int byScore = Double.compare(scores[b], scores[a]);
                return byScore != 0
                    ? byScore
                    : Integer.compare(union.get(a).order(), union.get(b).order());
              })
          .forEach(
              i -> lines.add(union.get(i).id() + " " + union.get(i).codes() + " " + scores[i]));
    }

    private static double cosine(float[] a, float[] b) {
      double lengths = Math.sqrt(a[0] * a[0] + a[1] * a[1]) * Math.sqrt(b[0] * b[0] + b[1] * b[1]);
      return lengths == 0 ? 0 : (a[0] * b[0] + a[1] * b[1]) / lengths;
    }

    String fate(String id) {
      Known item = world.items.get(id);
      if (item == null) {
        return Fate.UNKNOWN_ITEM.toString();
      }
      if (asked.exclude().contains(id) || item.price() < asked.least()) {
        return Fate.FILTERED.toString();
      }
      if (item.codes().isEmpty() || !world.vectors.containsKey(id)) {
        return Fate.NOT_INDEXED.toString();
      }
      if (known.isEmpty()) {
        return Fate.NOT_RUN.toString();
      }
      for (int level = 0; level < world.levels; level++) {
        int rank = ranked.get(level).indexOf(item.codes().subList(0, level + 1));
        if (rank >= asked.width()) {
          return Fate.PRUNED + " " + level + " " + rank;
        }
      }
      Predicate<String> own = line -> line.startsWith(id + " ");
      int rank =
          IntStream.range(0, lines.size())
              .filter(i -> own.test(lines.get(i)))
              .findFirst()
              .orElseThrow();
      return (rank < asked.k() ? Fate.KEPT : Fate.OUTRANKED) + " " + rank;
    }
  }
}

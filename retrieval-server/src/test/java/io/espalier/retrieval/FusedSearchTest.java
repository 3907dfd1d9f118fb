package io.espalier.retrieval;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Both ways to decode give what a search over a trie of the legal items alone gives, exactly: the
 * models, on the embedded engine, look their log-probabilities up on a grid, so that sums are exact
 * and ties common. The recipes' {@code tests/table_models.py} makes them.
 */
class FusedSearchTest {
  private static final int CODES = 6;
  private static final int IDS = 150;
  private static final String CONFIG = "max_batch_size: 8\ndynamic_batching {}\n";
  private static final BundleId STEPWISE = BundleId.parse("stepwise@1");
  private static final BundleId FUSED = BundleId.parse("fused@1");

  @TempDir private Path dir;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void retrieve_randomCataloguesChurnAndFilters_bothWaysEqualARebuiltTrie(int levels)
      throws IOException {
    Random random = random();
    int questions = 0;
    int empty = 0;
    for (int round = 0; round < 12; round++) {
      try (World world = new World(levels, 1 + random.nextInt(90), random)) {
        for (int batch = 0; batch < 6; batch++) {
          for (int asked = 0; asked < 16; asked++) {
            Question question = world.question(random);
            List<String> expected = world.rebuilt(question);
            Answer atOnce = world.fused.retrieve(question);
            assertThat(world.lines(world.stepwise.retrieve(question)))
                .as("stepwise, %s", question)
                .isEqualTo(expected);
            assertThat(world.lines(atOnce)).as("fused, %s", question).isEqualTo(expected);
            assertThat(atOnce.fused()).isTrue();
            questions++;
            empty += expected.isEmpty() ? 1 : 0;
          }
          world.change(random, random.nextInt(12));
        }
      }
    }
    System.out.printf(
        "%d levels: %d questions, %d without a legal item%n", levels, questions, empty);
    assertThat(empty).isLessThan(questions / 2);
  }

  /** The new snapshot's model is there before its first question, the old one's is freed. */
  @Test
  void retrieve_afterACompaction_isFusedOverTheNewSnapshot() throws IOException {
    Random random = random();
    try (World world = new World(3, 1200, random)) {
      Set<String> before = world.runner.loaded();
      Question pinned = world.question(random);
      while (world.catalogue.view().trie(FUSED).snapshot()
          == pinned.catalogue().trie(FUSED).snapshot()) {
        world.change(random, 100);
      }
      for (int asked = 0; asked < 50; asked++) {
        Question question = world.question(random);
        Answer answer = world.fused.retrieve(question);
        assertThat(answer.fused()).isTrue();
        assertThat(world.lines(answer)).isEqualTo(world.rebuilt(question));
        world.change(random, 1);
      }
      assertThat(world.runner.loaded()).hasSameSizeAs(before).isNotEqualTo(before);
      // Who still asks of the old snapshot is answered, stepwise.
      Answer late = world.fused.retrieve(pinned);
      assertThat(late.fused()).isFalse();
      assertThat(world.lines(late)).isEqualTo(world.lines(world.stepwise.retrieve(pinned)));
    }
  }

  @Test
  void retrieve_moreAddedThanTheGraphTakes_isStepwise() throws IOException {
    Random random = random();
    int most = FusedSnapshot.MAX_ADDED;
    try (World world = new World(2, 3000, random)) {
      world.compacts = false;
      int added = 0;
      for (int next : new int[] {1500, 3000, 6000, most, most + 1}) {
        world.upserts("new-", added, next, random);
        added = next;
        Question question = world.question(random, null, Set.of());
        Answer answer = world.fused.retrieve(question);
        assertThat(answer.fused()).isEqualTo(added <= most);
        assertThat(world.lines(answer))
            .isNotEmpty()
            .isEqualTo(world.lines(world.stepwise.retrieve(question)));
      }
      Question narrow =
          world.question(random, new ItemFilter.Ids(Set.of("new-3", "item-5")), Set.of());
      assertThat(world.fused.retrieve(narrow).fused()).as("of few that are legal").isTrue();
    }
  }

  @Test
  void replaced_snapshotOfTheSameOffsetAndIds_isFusedStill() throws IOException {
    Random random = random();
    try (World world = new World(3, 60, random)) {
      Bundle bundle = world.repository(Files.createTempDirectory(dir, "again")).get(FUSED);
      ModelCalls calls = new ModelCalls(world.runner);
      try (FusedModel fused = FusedModel.open(bundle, world.model, 10, calls)) {
        CatalogueView one = view(world);
        CatalogueView two = view(world);
        fused.coming(one, List.of());
        fused.replaced(one);
        Set<String> before = world.runner.loaded();

        fused.coming(two, List.of());
        fused.replaced(two);

        assertThat(fused.of(two.trie(FUSED).snapshot())).isNotNull();
        assertThat(world.runner.loaded()).isEqualTo(before);
      }
    }
  }

  private static CatalogueView view(World world) {
    List<CatalogItem> items =
        world.truth.entrySet().stream().map(e -> item(e.getKey(), e.getValue().price())).toList();
    Map<String, List<Integer>> table = new LinkedHashMap<>();
    world.truth.forEach((id, entry) -> table.put(id, entry.codes()));
    // A world's own models are named by offset 60 too: this one's by another.
    CatalogState state = CatalogState.of(items).with(FUSED, 3, table);
    return new CatalogueView(new CatalogState(7, state.items(), state.tries()), Map.of(), Map.of());
  }

  private static byte[] graph(int levels, String name) {
    try (InputStream file =
        FusedSearchTest.class.getResourceAsStream(
            "/table-models/" + levels + "/" + name + ".onnx")) {
      return requireNonNull(file).readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String spaced(List<Integer> codes) {
    return codes.stream().map(String::valueOf).collect(Collectors.joining(" "));
  }

  private static CatalogItem item(String id, int price) {
    return new CatalogItem(
        id, "", "", List.of(), "", OptionalDouble.of(price), Map.of(), "", OptionalLong.empty());
  }

  private static Random random() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    return new Random(seed);
  }

  /** A catalogue, what is known to be in it, and both retrievers over it. */
  private final class World implements AutoCloseable {
    final int levels;
    // Codes and price by id, in the order in which the catalogue came to know the items.
    final Map<String, Entry> truth = new LinkedHashMap<>();
    final Catalogue catalogue;
    final EmbeddedModelRunner runner;
    final TigerModel model;
    final TigerRetriever stepwise;
    final TigerRetriever fused;
    // The items that the bundles know.
    final List<String> trained;
    boolean compacts = true;
    long offset;

    record Entry(List<Integer> codes, int price) {}

    World(int levels, int items, Random random) throws IOException {
      this.levels = levels;
      for (int item = 0; item < items; item++) {
        truth.put("item-" + item, entry(random));
      }
      this.trained = List.copyOf(truth.keySet());
      Path root = Files.createTempDirectory(dir, "world");
      BundleRepository repository = repository(root);
      this.offset = items;
      this.catalogue =
          new Catalogue(
              CatalogState.of(
                  truth.entrySet().stream()
                      .map(e -> item(e.getKey(), e.getValue().price()))
                      .toList()),
              null,
              task -> {
                if (compacts) {
                  task.run();
                }
              });
      this.runner = new EmbeddedModelRunner(root.resolve("models"));
      runner.loadAll();
      ModelCalls calls = new ModelCalls(runner);
      Bundle bundle = repository.get(FUSED);
      bundle.verify();
      this.model = new TigerModel(bundle, calls);
      this.stepwise =
          TigerRetriever.open(repository.get(STEPWISE), catalogue, calls, new SearchLoad(1), null);
      this.fused = TigerRetriever.open(bundle, catalogue, calls, new SearchLoad(1), Decoder.FUSED);
    }

    private BundleRepository repository(Path root) throws IOException {
      Map<String, String> parts = new LinkedHashMap<>();
      parts.put("prefill", "prefill");
      IntStream.range(1, levels).forEach(step -> parts.put("step" + step, "step" + step));
      Map<String, byte[]> files = new LinkedHashMap<>();
      files.put("items", TestRepository.lines(List.copyOf(truth.keySet())));
      files.put(
          "semantic_ids",
          TestRepository.lines(
              truth.entrySet().stream()
                  .map(e -> e.getKey() + "\t" + spaced(e.getValue().codes()))
                  .toList()));
      files.put("fused_live", graph(levels, "fused_live"));
      files.put("fused_live_config", CONFIG.getBytes(StandardCharsets.UTF_8));
      TestRepository repository = new TestRepository(root);
      for (String name : List.of(STEPWISE.name(), FUSED.name())) {
        repository.add(
            name,
            "TIGER",
            "generate",
            "{history: 4, history_sizes: [2, 4], levels: %d, codes: %d, cache_width: 1}"
                .formatted(levels, CODES),
            parts,
            part -> graph(levels, part),
            CONFIG,
            files);
      }
      return repository.open();
    }

    private Entry entry(Random random) {
      return new Entry(random.ints(levels, 0, CODES).boxed().toList(), random.nextInt(10));
    }

    void upsert(String id, Random random) {
      catalogue.changed(List.of(upserted(id, random)));
    }

    /** At once, numbered. */
    void upserts(String name, int from, int to, Random random) {
      catalogue.changed(
          IntStream.range(from, to).mapToObj(n -> upserted(name + n, random)).toList());
    }

    private LoggedChange upserted(String id, Random random) {
      Entry entry = entry(random);
      truth.put(id, entry);
      return new LoggedChange(
          ++offset,
          new CatalogChange.Upsert(
              item(id, entry.price()), Map.of(STEPWISE, entry.codes(), FUSED, entry.codes())));
    }

    void change(Random random, int changes) {
      for (int i = 0; i < changes; i++) {
        String id = "item-" + random.nextInt(truth.size() + IDS);
        if (random.nextInt(3) == 0) {
          truth.remove(id);
          catalogue.changed(List.of(new LoggedChange(++offset, new CatalogChange.Removal(id))));
        } else {
          upsert(id, random);
        }
      }
    }

    Question question(Random random) {
      List<String> ids = List.copyOf(truth.keySet());
      Set<String> excluded = new HashSet<>();
      for (int i = random.nextInt(6); i > 0 && !ids.isEmpty(); i--) {
        excluded.add(ids.get(random.nextInt(ids.size())));
      }
      ItemFilter filter =
          switch (random.nextInt(4)) {
            case 0 -> new ItemFilter.Range("price", random.nextInt(10), 9);
            case 1 -> {
              Set<String> few = new HashSet<>();
              for (int i = random.nextInt(5); i > 0; i--) {
                few.add("item-" + random.nextInt(IDS));
              }
              yield new ItemFilter.Ids(few);
            }
            default -> null;
          };
      return question(random, filter, excluded);
    }

    Question question(Random random, @Nullable ItemFilter filter, Set<String> excluded) {
      List<String> history = new ArrayList<>();
      for (int i = 1 + random.nextInt(6); i > 0; i--) {
        history.add(trained.get(random.nextInt(trained.size())));
      }
      return new Question(
          1 + random.nextInt(60),
          1 + random.nextInt(40),
          history,
          "",
          filter,
          excluded,
          catalogue.view(),
          Control.NONE,
          System.nanoTime() + TimeUnit.MINUTES.toNanos(5));
    }

    List<String> lines(Answer answer) {
      return answer.hits().stream()
          .map(hit -> hit.id() + " " + hit.semanticId() + " " + hit.score())
          .toList();
    }

    /** The search over a trie that only ever knew the items that are legal now. */
    List<String> rebuilt(Question question) {
      List<String> ids = List.copyOf(truth.keySet());
      int[] codes = new int[ids.size() * levels];
      for (int item = 0; item < ids.size(); item++) {
        Entry entry = requireNonNull(truth.get(ids.get(item)));
        for (int d = 0; d < levels; d++) {
          codes[item * levels + d] =
              isLegal(question, ids.get(item), entry) ? entry.codes().get(d) : -1;
        }
      }
      SemanticIdTrie trie = SemanticIdTrie.build(levels, codes);
      Constraint constraint = trie.constraint(trie.legal());
      long[] history = stepwise.history(stepwise.known(question));
      BeamSearch search =
          new BeamSearch(
              constraint, model.start(history, question.deadlineNanos()), question.beamWidth());
      return BeamItem.best(search.run(), constraint, question.k()).stream()
          .map(b -> ids.get(b.item()) + " " + b.beam().codes() + " " + b.beam().score())
          .toList();
    }

    private static boolean isLegal(Question question, String id, Entry entry) {
      boolean matches =
          switch (question.filter()) {
            case ItemFilter.Range range -> entry.price() >= range.min();
            case ItemFilter.Ids few -> few.ids().contains(id);
            case null, default -> true;
          };
      return matches && !question.exclude().contains(id);
    }

    @Override
    public void close() {
      fused.close();
      runner.close();
    }
  }
}

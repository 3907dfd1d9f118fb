package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogState;
import io.espalier.catalog.DeltaBounds;
import io.espalier.catalog.LoggedChange;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.fm.LiveFm;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.inference.text.TextTokenizer;
import io.espalier.stores.catalog.CatalogItem;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CatalogueTest {
  private static final BundleId SECOND = BundleId.parse("tiger@2");
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");
  private static final int AT_FIRST = 200;
  private static final int IDS = 400;
  private static final int[] NONE = {};

  private TextTokenizer tokenizer;
  private ItemTokens tokens;

  @BeforeEach
  void start() throws IOException {
    tokenizer =
        TextTokenizer.load(
            Path.of(
                System.getProperty("espalier.root", ".."),
                "model-repo/bundles/shop-transrec/1/tokenizer.json"));
    tokens = new ItemTokens(tokenizer, new ItemTokens.Layout(3, 5, 2000));
  }

  @AfterEach
  void close() {
    tokenizer.close();
  }

  /** Compactions are held back for some batches, so that changes come meanwhile. */
  @Test
  void changed_randomChangesAndCompactions_isTheCatalogueBuiltAfresh() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    int compactions = 0;
    for (int round = 0; round < 20; round++) {
      Deque<Runnable> held = new ArrayDeque<>();
      // Codes by id, in the order in which the catalogue came to know the items; empty for none.
      Map<String, List<Integer>> truth = new LinkedHashMap<>();
      Map<String, String> titles = new HashMap<>();
      for (int item = 0; item < AT_FIRST; item++) {
        truth.put("item-" + item, codes(random));
        titles.put("item-" + item, title(random));
      }
      List<CatalogItem> items =
          truth.keySet().stream().map(id -> item(id, titles.getOrDefault(id, ""))).toList();
      Catalogue catalogue = new Catalogue(CatalogState.of(items), null, held::add);
      catalogue.add(BUNDLE, OwnTrie.of(() -> trie(truth.values())));
      KnownTexts texts = new KnownTexts(BUNDLE, tokens);
      texts.learn(items);
      catalogue.add(texts);
      ItemIds source =
          ItemIds.of(IntStream.range(0, IDS / 2).mapToObj(n -> "item-" + 2 * n).toList());
      catalogue.add(source);
      long offset = AT_FIRST;
      for (int batch = 0; batch < 120; batch++) {
        List<LoggedChange> changes = new ArrayList<>();
        for (int n = random.nextInt(150); n > 0; n--) {
          String id = "item-" + random.nextInt(IDS);
          if (random.nextInt(2) == 0) {
            truth.remove(id);
            changes.add(new LoggedChange(++offset, new CatalogChange.Removal(id)));
          } else {
            List<Integer> codes = codes(random);
            truth.put(id, codes);
            titles.put(id, title(random));
            changes.add(
                new LoggedChange(
                    ++offset,
                    new CatalogChange.Upsert(
                        item(id, titles.getOrDefault(id, "")),
                        codes.isEmpty() ? Map.of() : Map.of(BUNDLE, codes))));
          }
        }
        catalogue.changed(changes);
        if (!held.isEmpty() && random.nextInt(4) == 0) {
          assertThat(held).as("compactions at a time").hasSize(1);
          int before = catalogue.view().items().changes();
          held.remove().run();
          assertThat(catalogue.view().items().changes()).isLessThan(before);
          compactions++;
        }
        assertThat(catalogue.view().offset()).isEqualTo(offset);
        assertEqual(catalogue.view(), source, truth);
        assertWritten(catalogue.view(), texts, truth, titles);
      }
    }
    assertThat(compactions).isGreaterThan(20);
  }

  private static void assertEqual(
      CatalogueView view, ItemIds source, Map<String, List<Integer>> truth) {
    LiveItems items = view.items();
    LiveTrie trie = view.trie(BUNDLE);
    Map<String, List<Integer>> found = new LinkedHashMap<>();
    items
        .all()
        .forEach(
            (int index) ->
                found.put(
                    items.id(index),
                    trie.contains(index)
                        ? Arrays.stream(trie.semanticId(index)).boxed().toList()
                        : List.of()));
    assertThat(found).containsExactlyEntriesOf(truth);
    for (int n = 0; n < source.size(); n++) {
      assertThat(view.indices(source).of(n)).isEqualTo(items.snapshotIds().indexOf(source.id(n)));
    }
  }

  private void assertWritten(
      CatalogueView view,
      KnownTexts texts,
      Map<String, List<Integer>> truth,
      Map<String, String> titles) {
    LiveFm index = view.texts(texts);
    Map<String, int[]> found = new HashMap<>();
    truth.forEach((id, codes) -> found.put(id, index.tokens(view.items().indexOf(id))));
    truth.forEach(
        (id, codes) ->
            assertThat(found.get(id))
                .as(id)
                .isEqualTo(
                    tokens.of(
                        codes.stream().mapToInt(code -> code).toArray(),
                        tokens.text(item(id, titles.getOrDefault(id, ""))))));
    // What is searched is of items that are there: each is met where its title ends, once.
    List<String> met = new ArrayList<>();
    index
        .legal(index.snapshot().legal(), item -> true, NONE)
        .forEachOccurrence(
            new int[] {ItemTokens.TITLE},
            Integer.MAX_VALUE,
            item -> met.add(view.items().id(item)));
    assertThat(met).containsExactlyInAnyOrderElementsOf(truth.keySet());
  }

  /**
   * Sources join and leave between random changes and compactions, also while one is held back: the
   * ids of those that are there are their own for the items that they know, and what they leave
   * behind is nothing.
   */
  @Test
  void join_atAnyTime_isTheCatalogueBuiltAfresh() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    int joins = 0;
    int leftWhileHeld = 0;
    for (int round = 0; round < 20; round++) {
      Deque<Runnable> held = new ArrayDeque<>();
      List<String> ids =
          new ArrayList<>(IntStream.range(0, AT_FIRST).mapToObj(n -> "item-" + n).toList());
      List<CatalogItem> items = ids.stream().map(id -> item(id, "")).toList();
      Catalogue catalogue = new Catalogue(CatalogState.of(items), null, held::add);
      long offset = AT_FIRST;
      Map<String, List<Integer>> own = new HashMap<>();
      Catalogue.Joined<ItemIds> joined = null;
      for (int batch = 0; batch < 80; batch++) {
        if (joined == null && held.isEmpty() && random.nextInt(3) == 0) {
          own = own(random);
          OwnTable table = new OwnTable(3, own);
          ItemIds known = ItemIds.of(own.keySet().stream().sorted().toList());
          joined =
              catalogue.join(
                  () -> {
                    catalogue.add(SECOND, table);
                    catalogue.add(known);
                    return known;
                  });
          joins++;
        } else if (joined != null && random.nextInt(6) == 0) {
          leftWhileHeld += held.isEmpty() ? 0 : 1;
          joined.leave().run();
          joined = null;
          assertThat(catalogue.view().state().tries()).isEmpty();
          assertThat(catalogue.view().indices()).isEmpty();
        }
        List<LoggedChange> changes = new ArrayList<>();
        for (int n = random.nextInt(200); n > 0; n--) {
          String id = "item-" + random.nextInt(IDS);
          if (random.nextInt(2) == 0) {
            ids.remove(id);
            changes.add(new LoggedChange(++offset, new CatalogChange.Removal(id)));
          } else {
            if (!ids.contains(id)) {
              ids.add(id);
            }
            changes.add(
                new LoggedChange(++offset, new CatalogChange.Upsert(item(id, ""), Map.of())));
          }
        }
        catalogue.changed(changes);
        if (!held.isEmpty() && random.nextInt(3) == 0) {
          held.remove().run();
        }
        CatalogueView view = catalogue.view();
        if (joined == null) {
          assertThat(view.state().tries()).isEmpty();
          assertThat(view.indices()).isEmpty();
        } else {
          assertOwn(view, joined.source(), ids, own);
        }
      }
    }
    System.out.printf("%d joins, %d left during a compaction%n", joins, leftWhileHeld);
    assertThat(joins).isGreaterThan(50);
    assertThat(leftWhileHeld).isPositive();
  }

  private static void assertOwn(
      CatalogueView view, ItemIds source, List<String> ids, Map<String, List<Integer>> own) {
    LiveTrie trie = view.trie(SECOND);
    Map<String, List<Integer>> found = new LinkedHashMap<>();
    view.items()
        .all()
        .forEach(
            (int index) ->
                found.put(
                    view.items().id(index),
                    trie.contains(index)
                        ? Arrays.stream(trie.semanticId(index)).boxed().toList()
                        : List.of()));
    Map<String, List<Integer>> expected = new LinkedHashMap<>();
    ids.forEach(id -> expected.put(id, own.getOrDefault(id, List.of())));
    assertThat(found).containsExactlyEntriesOf(expected);
    for (int n = 0; n < source.size(); n++) {
      assertThat(view.indices(source).of(n))
          .isEqualTo(view.items().snapshotIds().indexOf(source.id(n)));
    }
  }

  private static Map<String, List<Integer>> own(Random random) {
    Map<String, List<Integer>> own = new HashMap<>();
    for (int n = 0; n < IDS; n++) {
      if (random.nextInt(3) > 0) {
        own.put("item-" + n, random.ints(3, 0, 5).boxed().toList());
      }
    }
    return own;
  }

  private record OwnTable(int levels, Map<String, List<Integer>> codes)
      implements Catalogue.OwnIds {
    @Override
    public IdShape shape() {
      return new IdShape(levels, 5);
    }

    @Override
    public SemanticIdTrie trie(ItemIds items) {
      return CatalogueTest.trie(
          IntStream.range(0, items.size()).mapToObj(n -> of(items.id(n))).toList());
    }

    @Override
    public List<Integer> of(String id) {
      return codes.getOrDefault(id, List.of());
    }
  }

  /** What cannot join leaves nothing behind. */
  @Test
  void join_thatFails_isTakenOutWhole() {
    Catalogue catalogue =
        new Catalogue(CatalogState.of(List.of(item("a", ""))), null, Runnable::run);
    ItemIds known = ItemIds.of(List.of("a"));
    List<String> told = new ArrayList<>();

    assertThatThrownBy(
            () ->
                catalogue.join(
                    () -> {
                      catalogue.add(SECOND, new OwnTable(3, Map.of("a", List.of(1, 2, 3))));
                      catalogue.add(known);
                      catalogue.add((view, filters) -> told.add("coming"));
                      throw new IllegalStateException("broken");
                    }))
        .hasMessage("broken");

    assertThat(catalogue.view().state().tries()).isEmpty();
    assertThat(catalogue.view().indices()).isEmpty();
    // The next one joins, and nobody else is told of a snapshot.
    var joined =
        catalogue.join(
            () -> {
              catalogue.add(known);
              return known;
            });
    assertThat(catalogue.view().indices().keySet()).containsExactly(joined.source());
    assertThat(told).containsExactly("coming");
  }

  /** Its tokenizer, which is freed then, may be at work. */
  @Test
  void leave_textsWhileASnapshotIsMade_waitsForIt() throws InterruptedException {
    Deque<Runnable> held = new ArrayDeque<>();
    List<CatalogItem> items = atFirst();
    Catalogue catalogue = new Catalogue(CatalogState.of(items), null, held::add);
    KnownTexts texts = new KnownTexts(BUNDLE, tokens);
    texts.learn(items);
    var joined =
        catalogue.join(
            () -> {
              catalogue.add(texts);
              return texts;
            });
    catalogue.changed(newItems(DeltaBounds.changesAllowed(AT_FIRST) + 1));

    Thread leaving = Thread.ofPlatform().start(joined.leave());
    while (leaving.getState() != Thread.State.WAITING
        && leaving.getState() != Thread.State.TERMINATED) {
      Thread.onSpinWait();
    }
    assertThat(leaving.getState()).isEqualTo(Thread.State.WAITING);
    assertThat(catalogue.view().texts()).containsKey(texts);

    held.remove().run();
    leaving.join();
    assertThat(catalogue.view().texts()).isEmpty();
  }

  /** Changes that come all the time are never caught up with. */
  @Test
  void changed_whileASnapshotWaits_takesItAlong() throws InterruptedException {
    Deque<Runnable> held = new ArrayDeque<>();
    List<CatalogItem> items = atFirst();
    Catalogue catalogue = new Catalogue(CatalogState.of(items), null, held::add);
    AtomicLong offset = new AtomicLong(AT_FIRST + 1);
    AtomicReference<Thread> rebuilding = new AtomicReference<>();
    AtomicBoolean within = new AtomicBoolean();
    Runnable change =
        () -> {
          long at = offset.incrementAndGet();
          catalogue.changed(
              List.of(
                  new LoggedChange(
                      at, new CatalogChange.Upsert(item("later-" + at, ""), Map.of()))));
        };
    catalogue.add(
        BUNDLE,
        new Catalogue.OwnIds() {
          @Override
          public IdShape shape() {
            return new IdShape(3, 5);
          }

          @Override
          public SemanticIdTrie trie(ItemIds ids) {
            return CatalogueTest.trie(Collections.nCopies(ids.size(), List.of()));
          }

          @Override
          public List<Integer> of(String id) {
            // Asked for what was followed meanwhile: each time one more comes.
            if (Thread.currentThread().equals(rebuilding.get())
                && within.compareAndSet(false, true)) {
              change.run();
              within.set(false);
            }
            return List.of();
          }
        });
    int many = DeltaBounds.changesAllowed(AT_FIRST) + 1;
    catalogue.changed(newItems(many));
    change.run();
    Thread rebuild = Thread.ofPlatform().unstarted(held.remove());
    rebuilding.set(rebuild);
    rebuild.start();
    while (rebuild.getState() != Thread.State.TIMED_WAITING
        && rebuild.getState() != Thread.State.TERMINATED) {
      Thread.onSpinWait();
    }

    change.run();

    assertThat(catalogue.swaps()).isEqualTo(1);
    rebuild.join();
    CatalogueView view = catalogue.view();
    assertThat(view.offset()).isEqualTo(offset.get());
    assertThat(view.items().size()).isEqualTo(AT_FIRST + many + offset.get() - AT_FIRST - 1);
    assertThat(view.items().snapshotIds().size()).isEqualTo(AT_FIRST + many);
  }

  /** What was followed is kept until a snapshot takes it in: also where one item alone changes. */
  @Test
  void changed_theSameItemAgainAndAgain_isCompactedAndItsTextsAreFew() {
    Catalogue catalogue =
        new Catalogue(CatalogState.of(List.of(item("a", "one"))), null, Runnable::run);
    KnownTexts texts = new KnownTexts(BUNDLE, tokens);
    texts.learn(List.of(item("a", "one")));
    catalogue.add(texts);
    int changes = 50_000;
    for (int n = 1; n <= changes; n++) {
      CatalogItem next = item("item-" + n, "soap");
      catalogue.changed(
          List.of(
              new LoggedChange(3L * n, new CatalogChange.Upsert(item("a", "one"), Map.of())),
              new LoggedChange(3L * n + 1, new CatalogChange.Upsert(next, Map.of())),
              new LoggedChange(3L * n + 2, new CatalogChange.Removal(next.id()))));
    }

    assertThat(catalogue.swaps()).isPositive();
    assertThat(texts.size()).isLessThan(changes / 2);
    assertThat(catalogue.view().items().size()).isEqualTo(1);
    assertThat(catalogue.view().texts(texts).tokens(catalogue.view().items().indexOf("a")))
        .isEqualTo(tokens.text(item("a", "one")));
  }

  @Test
  void changed_oneItemAgainAndAgain_isCompacted() {
    Catalogue catalogue =
        new Catalogue(CatalogState.of(List.of(item("a", ""))), null, Runnable::run);

    for (int n = 1; n <= 50_000; n++) {
      catalogue.changed(
          List.of(new LoggedChange(n + 1, new CatalogChange.Upsert(item("a", ""), Map.of()))));
    }

    assertThat(catalogue.swaps()).isPositive();
  }

  private static List<CatalogItem> atFirst() {
    return IntStream.range(0, AT_FIRST).mapToObj(n -> item("item-" + n, "")).toList();
  }

  private static List<LoggedChange> newItems(int count) {
    return IntStream.rangeClosed(1, count)
        .mapToObj(n -> new CatalogChange.Upsert(item("new-" + n, ""), Map.of()))
        .map(upsert -> new LoggedChange(AT_FIRST + 1, upsert))
        .toList();
  }

  /** A view of before is made with the texts that are known now, under its own semantic ids. */
  @Test
  void over_snapshotOfBefore_hasTheTextsThatAreKnownAndItsOwnIds() {
    CatalogState first =
        CatalogState.of(List.of(item("a", "one"), item("b", "two"), item("c", "three")))
            .with(BUNDLE, 3, Map.of("a", List.of(1, 2, 3), "b", List.of(4, 4, 4)));
    // Nobody tells of c.
    KnownTexts texts = new KnownTexts(BUNDLE, tokens);
    texts.learn(List.of(item("a", "one"), item("b", "two")));
    CatalogueView view = CatalogueView.of(first).with(texts, texts.index(first));
    List<LoggedChange> changes =
        List.of(
            new LoggedChange(4, new CatalogChange.Removal("a")),
            new LoggedChange(5, new CatalogChange.Upsert(item("b", "new"), Map.of())),
            new LoggedChange(6, new CatalogChange.Upsert(item("d", "four"), Map.of())));
    texts.learnOf(changes);
    CatalogueView changed = view.after(changes);
    assertThat(changed.texts(texts).tokens(0)).isEmpty();
    assertThat(changed.texts(texts).tokens(1)).isEqualTo(tokens.text(item("b", "new")));
    assertThat(changed.texts(texts).tokens(2)).isEmpty();
    assertThat(changed.texts(texts).tokens(3)).isEqualTo(tokens.text(item("d", "four")));

    LiveFm back = changed.over(first).texts(texts);

    assertThat(back.tokens(0))
        .isEqualTo(tokens.of(new int[] {1, 2, 3}, tokens.text(item("a", "one"))));
    assertThat(back.tokens(1))
        .isEqualTo(tokens.of(new int[] {4, 4, 4}, tokens.text(item("b", "new"))));
    assertThat(back.tokens(2)).isEmpty();
    assertThat(back.tokens(3)).isEmpty();
  }

  /** The first requests after an exchange need not find what a filter allows. */
  @Test
  void changed_compaction_compilesTheFiltersThatWereAskedFor() {
    Deque<Runnable> held = new ArrayDeque<>();
    List<CatalogItem> items = atFirst();
    Catalogue catalogue = new Catalogue(CatalogState.of(items), null, held::add);
    List<ItemFilter> told = new ArrayList<>();
    catalogue.add((view, filters) -> told.addAll(filters));
    ItemFilter filter = new ItemFilter.Range("price", 0, 5);
    catalogue.view().items().matching(filter);
    catalogue.changed(newItems(DeltaBounds.changesAllowed(AT_FIRST) + 1));

    held.remove().run();

    assertThat(told).containsExactly(filter);
    assertThat(catalogue.view().items().snapshot().lastCompiled(10)).containsExactly(filter);
  }

  private static String title(Random random) {
    return List.of("", "soap", "rose soap", "soap of roses", "shampoo").get(random.nextInt(5));
  }

  private static List<Integer> codes(Random random) {
    return random.nextInt(8) == 0 ? List.of() : random.ints(3, 0, 5).boxed().toList();
  }

  private static SemanticIdTrie trie(Iterable<List<Integer>> ids) {
    IntStream.Builder codes = IntStream.builder();
    for (List<Integer> id : ids) {
      (id.isEmpty() ? List.of(-1, 0, 0) : id).forEach(codes::add);
    }
    return SemanticIdTrie.build(3, codes.build().toArray());
  }

  private static CatalogItem item(String id, String title) {
    return new CatalogItem(
        id, title, "", List.of(), "", OptionalDouble.empty(), Map.of(), "", OptionalLong.empty());
  }
}

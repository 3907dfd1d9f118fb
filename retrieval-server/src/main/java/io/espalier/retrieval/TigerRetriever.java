package io.espalier.retrieval;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.LegalItems;
import io.espalier.index.trie.LegalLeaves;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.index.trie.SemanticIds;
import io.espalier.retrieval.Answer.Hit;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.server.RequestException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.roaringbitmap.RoaringBitmap;

/**
 * TIGER (Rajput et al., 2023): generates the semantic ids of the next item, level by level, over
 * the trie of the ids that exist. Items that share an id share its beam's score, in the order in
 * which the catalogue came to know them.
 */
final class TigerRetriever implements Retriever, AutoCloseable {
  private static final int DEFAULT_BEAM = 50;
  private static final int CACHED_FILTERS = 256;

  private final BundleId bundle;
  private final TigerModel model;
  private final int beam;
  // What the bundle was trained on: a history may name items that the catalogue no longer has.
  private final ItemIds trained;
  // levels codes an item.
  private final int[] trainedCodes;
  // Null where questions are decoded stepwise.
  private final @Nullable FusedModel fused;
  private final Cache<RoaringBitmap, LegalLeaves> filters =
      Caffeine.newBuilder().weakKeys().maximumSize(CACHED_FILTERS).build();

  private TigerRetriever(
      BundleId bundle,
      TigerModel model,
      int beam,
      ItemIds trained,
      int[] trainedCodes,
      @Nullable FusedModel fused) {
    this.bundle = bundle;
    this.model = model;
    this.beam = beam;
    this.trained = trained;
    this.trainedCodes = trainedCodes;
    this.fused = fused;
  }

  static TigerRetriever open(
      Bundle bundle, Catalogue catalogue, ModelCalls calls, @Nullable Decoder decoder) {
    TigerModel model = new TigerModel(bundle, calls);
    ItemIds trained = ItemIds.of(bundle.readItems().ids());
    int[] codes = codes(bundle, trained, model);
    int beam = bundle.parameters().integer("beam", DEFAULT_BEAM);
    if (beam < 1 || beam > Question.MAX_BEAM_WIDTH) {
      throw bundle.parameters().wrong("beam", beam, "1.." + Question.MAX_BEAM_WIDTH);
    }
    catalogue.add(bundle.id(), () -> trie(catalogue.ids(), trained, codes, model.levels()));
    int levels = catalogue.view().trie(bundle.id()).levels();
    if (levels != model.levels()) {
      throw bundle.parameters().wrong("levels", model.levels(), levels + ", as the snapshot has");
    }
    FusedModel fused = null;
    if (isFused(bundle, decoder)) {
      fused = FusedModel.open(bundle, model, beam, calls);
      catalogue.add(fused);
    }
    return new TigerRetriever(bundle.id(), model, beam, trained, codes, fused);
  }

  /** As the server says, where the bundle can; else as the bundle says. */
  private static boolean isFused(Bundle bundle, @Nullable Decoder decoder) {
    String own = bundle.parameters().text("decode", "stepwise");
    if (!own.equals("stepwise") && !own.equals("fused")) {
      throw bundle.parameters().wrong("decode", own, "stepwise or fused");
    }
    if (decoder == null) {
      return own.equals("fused");
    }
    return decoder == Decoder.FUSED && bundle.hasFile("fused_live");
  }

  private static int[] codes(Bundle bundle, ItemIds ids, TigerModel model) {
    int[] codes;
    try {
      codes = SemanticIds.read(bundle.file("semantic_ids"), ids, model.levels());
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files.semantic_ids", e);
    }
    for (int i = 0; i < codes.length; i++) {
      if (codes[i] >= model.codes()) {
        throw new BundleException(
            "bundle "
                + bundle.id()
                + ": semantic_ids: code "
                + codes[i]
                + " of "
                + ids.id(i / model.levels())
                + " (expected: < "
                + model.codes()
                + ")");
      }
    }
    return codes;
  }

  /** The ids of the catalogue's items, those without one left out. */
  private static SemanticIdTrie trie(ItemIds items, ItemIds trained, int[] codes, int levels) {
    int[] ofItems = new int[Math.multiplyExact(items.size(), levels)];
    for (int item = 0; item < items.size(); item++) {
      int row = trained.indexOf(items.id(item));
      if (row < 0) {
        ofItems[item * levels] = -1;
      } else {
        System.arraycopy(codes, row * levels, ofItems, item * levels, levels);
      }
    }
    return SemanticIdTrie.build(levels, ofItems);
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.LOG_PROBABILITY;
  }

  @Override
  public Answer retrieve(Question question) {
    List<int[]> known = known(question);
    if (known.isEmpty()) {
      return new Answer(List.of(), true, 0);
    }
    LegalItems legal = legal(question);
    Constraint constraint = legal.constraint();
    Optional<List<Beam>> atOnce = searchFused(question, known, legal, constraint);
    List<Beam> beams = atOnce.orElseGet(() -> search(question, known, constraint).run());
    LiveItems items = question.catalogue().items();
    List<Hit> hits =
        BeamItem.best(beams, constraint, question.k()).stream()
            .map(b -> new Hit(items.id(b.item()), b.beam().score(), b.beam().codes()))
            .toList();
    return new Answer(hits, hits.size() < question.k(), known.size(), atOnce.isPresent());
  }

  @Override
  public Verdict explain(Question question, String id) {
    List<int[]> known = known(question);
    Optional<Verdict> barred = SourceItems.barred(question, id);
    if (barred.isPresent()) {
      return barred.get();
    }
    LiveTrie trie = question.catalogue().trie(bundle);
    int item = question.catalogue().items().indexOf(id);
    if (!trie.contains(item)) {
      return Verdict.of(Fate.NOT_INDEXED, "the item has no semantic id");
    }
    if (known.isEmpty()) {
      return Verdict.of(Fate.NOT_RUN, "the bundle knows no item of the history");
    }
    Constraint constraint = legal(question).constraint();
    BeamSearch search = search(question, known, constraint);
    int[] semanticId = trie.semanticId(item);
    Optional<BeamSearch.Pruned> pruned = search.trace(semanticId);
    if (pruned.isPresent()) {
      int level = pruned.get().level();
      int rank = pruned.get().rank();
      return new Verdict(
          Fate.PRUNED,
          "prefix "
              + Arrays.toString(Arrays.copyOf(semanticId, level + 1))
              + " ranked "
              + rank
              + " at level "
              + level
              + " of beams "
              + width(question),
          level,
          rank);
    }
    List<BeamItem> all = BeamItem.best(search.beams(), constraint, Integer.MAX_VALUE);
    int rank = 0;
    while (all.get(rank).item() != item) {
      rank++;
    }
    return Verdict.ranked(rank, question.k());
  }

  /** The semantic ids of the history's items that have one, oldest first. */
  List<int[]> known(Question question) {
    if (question.history().isEmpty()) {
      throw RequestException.invalidArgument(
          "history: empty (expected: at least one event for this source)");
    }
    LiveItems items = question.catalogue().items();
    LiveTrie trie = question.catalogue().trie(bundle);
    List<int[]> known = new ArrayList<>(question.history().size());
    for (String id : question.history()) {
      int item = items.indexOf(id);
      int row = trained.indexOf(id);
      if (item >= 0 && trie.contains(item)) {
        known.add(trie.semanticId(item));
      } else if (row >= 0 && trainedCodes[row * model.levels()] >= 0) {
        int from = row * model.levels();
        known.add(Arrays.copyOfRange(trainedCodes, from, from + model.levels()));
      }
    }
    return known;
  }

  private LegalItems legal(Question question) {
    LiveItems items = question.catalogue().items();
    LiveTrie trie = question.catalogue().trie(bundle);
    int[] excluded =
        question.exclude().stream().mapToInt(items::indexOf).filter(item -> item >= 0).toArray();
    ItemFilter filter = question.filter();
    if (filter == null) {
      return trie.legal(trie.snapshot().legal(), item -> true, excluded);
    }
    LegalLeaves ofSnapshot =
        filters.get(items.matchingInSnapshot(filter), matching -> trie.snapshot().legal(matching));
    return trie.legal(ofSnapshot, items.matchingInDelta(filter)::contains, excluded);
  }

  private int width(Question question) {
    return question.beamWidth() == 0 ? beam : question.beamWidth();
  }

  /** The one place that says how a question is decoded: empty for stepwise. */
  private Optional<List<Beam>> searchFused(
      Question question, List<int[]> known, LegalItems legal, Constraint constraint) {
    LiveTrie trie = question.catalogue().trie(bundle);
    FusedSnapshot snapshot = fused == null ? null : fused.of(trie.snapshot());
    if (snapshot == null) {
      return Optional.empty();
    }
    return snapshot.search(
        trie, legal, constraint, history(known), width(question), question.deadlineNanos());
  }

  private BeamSearch search(Question question, List<int[]> known, Constraint constraint) {
    return new BeamSearch(
        constraint, model.start(history(known), question.deadlineNanos()), width(question));
  }

  /** The latest events as the models take them. */
  long[] history(List<int[]> known) {
    int levels = model.levels();
    int places = model.places(known.size());
    int kept = Math.min(places, known.size());
    long[] history = new long[places * levels];
    Arrays.fill(history, 0, (places - kept) * levels, History.PADDING);
    for (int event = 0; event < kept; event++) {
      int[] codes = known.get(known.size() - kept + event);
      for (int d = 0; d < levels; d++) {
        history[(places - kept + event) * levels + d] = codes[d];
      }
    }
    return history;
  }

  @Override
  public void close() {
    if (fused != null) {
      fused.close();
    }
  }
}

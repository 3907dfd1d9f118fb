package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.index.ItemIds;
import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.LegalLeaves;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.index.trie.SemanticIds;
import io.espalier.retrieval.Answer.Hit;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.server.RequestException;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.roaringbitmap.RoaringBitmap;

/**
 * TIGER (Rajput et al., 2023): generates the semantic ids of the next item, level by level, over
 * the trie of the ids that exist. Items that share an id share its beam's score, in the order of
 * their indices.
 */
final class TigerRetriever implements Retriever {
  private static final int DEFAULT_BEAM = 50;

  private final SourceItems items;
  private final SemanticIdTrie trie;
  private final TigerModel model;
  private final int beam;
  // levels codes an item.
  private final int[] codes;

  private TigerRetriever(
      SourceItems items, SemanticIdTrie trie, TigerModel model, int beam, int[] codes) {
    this.items = items;
    this.trie = trie;
    this.model = model;
    this.beam = beam;
    this.codes = codes;
  }

  static TigerRetriever open(Bundle bundle, Catalogue catalogue, ModelCalls calls) {
    TigerModel model = new TigerModel(bundle, calls);
    ItemIds ids = ItemIds.of(bundle.readItems().ids());
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
    int beam = bundle.parameters().integer("beam", DEFAULT_BEAM);
    if (beam < 1 || beam > Question.MAX_BEAM_WIDTH) {
      throw bundle.parameters().wrong("beam", beam, "1.." + Question.MAX_BEAM_WIDTH);
    }
    return new TigerRetriever(
        new SourceItems(ids, catalogue),
        SemanticIdTrie.build(model.levels(), codes),
        model,
        beam,
        codes);
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.LOG_PROBABILITY;
  }

  @Override
  public Answer retrieve(Question question) {
    int[] known = known(question);
    if (known.length == 0) {
      return new Answer(List.of(), true, 0);
    }
    Constraint constraint = constraint(question);
    List<Beam> beams = search(question, known, constraint).run();
    List<Hit> hits =
        BeamItem.best(beams, constraint, question.k()).stream()
            .map(b -> new Hit(items.id(b.item()), b.beam().score(), b.beam().codes()))
            .toList();
    return new Answer(hits, hits.size() < question.k(), known.length);
  }

  @Override
  public Verdict explain(Question question, String id) {
    int[] known = known(question);
    Optional<Verdict> illegal = items.illegal(question, id);
    if (illegal.isPresent()) {
      return illegal.get();
    }
    int item = items.indexOf(id);
    if (!trie.contains(item)) {
      return Verdict.of(Fate.NOT_INDEXED, "the item has no semantic id");
    }
    if (known.length == 0) {
      return Verdict.of(Fate.NOT_RUN, "the bundle knows no item of the history");
    }
    Constraint constraint = constraint(question);
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

  private int[] known(Question question) {
    if (question.history().isEmpty()) {
      throw RequestException.invalidArgument(
          "history: empty (expected: at least one event for this source)");
    }
    return Arrays.stream(items.known(question.history())).filter(trie::contains).toArray();
  }

  private Constraint constraint(Question question) {
    RoaringBitmap matching = items.matching(question);
    LegalLeaves legal = matching == null ? trie.legal() : trie.legal(matching);
    return trie.constraint(legal.without(items.known(question.exclude())));
  }

  private int width(Question question) {
    return question.beamWidth() == 0 ? beam : question.beamWidth();
  }

  private BeamSearch search(Question question, int[] known, Constraint constraint) {
    int levels = model.levels();
    int[] events = History.fit(known, model.places(known.length));
    long[] history = new long[events.length * levels];
    for (int e = 0; e < events.length; e++) {
      for (int d = 0; d < levels; d++) {
        history[e * levels + d] =
            events[e] == History.PADDING ? History.PADDING : codes[events[e] * levels + d];
      }
    }
    return new BeamSearch(
        constraint, model.start(history, question.deadlineNanos()), width(question));
  }
}

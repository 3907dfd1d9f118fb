package io.espalier.retrieval;

import com.github.benmanes.caffeine.cache.Cache;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.Parameters;
import io.espalier.index.ItemIds;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.fm.LegalRows;
import io.espalier.index.fm.LiveFm;
import io.espalier.index.live.LiveItems;
import io.espalier.inference.text.TextTokenizer;
import io.espalier.retrieval.Answer.Hit;
import io.espalier.retrieval.Grounding.Grounded;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.server.RequestException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.roaringbitmap.RoaringBitmap;

/**
 * TransRec (Lin et al., 2024): writes ids, categories and pieces of titles that occur in legal
 * items, and grounds them in the items that they occur in. An item that the bundle was not trained
 * on is found by its category and title.
 */
final class TransRecRetriever implements Retriever, Catalogue.SnapshotListener, AutoCloseable {
  private static final int DEFAULT_BEAM = 20;
  // Of filters' rows; one of a broad filter takes a bit a token.
  private static final long CACHED_BYTES = 256 << 20;

  private final TransRecModel model;
  private final TextTokenizer tokenizer;
  private final KnownTexts texts;
  private final List<Facet> facets;
  private final Grounding grounding;
  private final BeamWidth beam;
  private final ItemIds trained;
  private final Cache<RoaringBitmap, LegalRows> filters =
      FilterCaches.ofBytes(CACHED_BYTES, LegalRows::bytes);

  private TransRecRetriever(
      TransRecModel model,
      TextTokenizer tokenizer,
      KnownTexts texts,
      List<Facet> facets,
      Grounding grounding,
      BeamWidth beam,
      ItemIds trained) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.texts = texts;
    this.facets = facets;
    this.grounding = grounding;
    this.beam = beam;
    this.trained = trained;
  }

  /** Tells the texts of the catalogue's items. */
  @FunctionalInterface
  interface TellTexts {
    void to(KnownTexts texts) throws IOException;
  }

  /**
   * Reads a bundle and adds its semantic ids and the items' texts to the catalogue.
   *
   * @param tellTexts tells the texts of the items
   */
  static TransRecRetriever open(
      Bundle bundle, TellTexts tellTexts, Catalogue catalogue, ModelCalls calls)
      throws IOException {
    Parameters parameters = bundle.parameters();
    ItemTokens.Layout layout =
        new ItemTokens.Layout(
            parameters.size("levels"), parameters.size("codes"), parameters.size("texts"));
    BeamWidth beam = BeamWidth.of(bundle, DEFAULT_BEAM);
    Grounding grounding =
        new Grounding(
            parameters.number("gamma"),
            parameters.number("beta"),
            parameters.size("rows"),
            parameters.size("scored"));
    List<Facet> facets =
        Facet.all(
            layout,
            parameters.number("bias_id"),
            parameters.number("bias_attribute"),
            parameters.number("bias_title"));
    TransRecModel model = new TransRecModel(bundle, calls, layout.size());
    TextTokenizer tokenizer = TextTokenizer.load(bundle.file("tokenizer"));
    try {
      // The catalogue's texts are written with the semantic ids that this adds to it.
      ItemIds trained =
          CodedItems.open(bundle, catalogue, layout.levels(), layout.codes()).trained();
      KnownTexts texts = new KnownTexts(bundle.id(), new ItemTokens(tokenizer, layout));
      tellTexts.to(texts);
      catalogue.add(texts);
      TransRecRetriever retriever =
          new TransRecRetriever(model, tokenizer, texts, facets, grounding, beam, trained);
      catalogue.add(retriever);
      return retriever;
    } catch (IOException | RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.GROUNDING;
  }

  @Override
  public Answer retrieve(Question question) {
    int[] known = known(question);
    if (known.length == 0) {
      return new Answer(List.of(), true, 0);
    }
    LiveFm.Legal legal = legal(question);
    LiveItems items = question.catalogue().items();
    List<Ngram> ngrams = search(question, known, beams(question, legal, new int[0])).run();
    List<Hit> hits =
        grounding.ground(ngrams, question.catalogue().texts(texts), legal).stream()
            .limit(question.k())
            .map(grounded -> new Hit(items.id(grounded.item()), grounded.score(), List.of()))
            .toList();
    return new Answer(hits, hits.size() < question.k(), known.length);
  }

  @Override
  public Verdict explain(Question question, String id) {
    int[] known = known(question);
    Optional<Verdict> barred = SourceItems.barred(question, id);
    if (barred.isPresent()) {
      return barred.get();
    }
    int item = question.catalogue().items().indexOf(id);
    int[] tokens = question.catalogue().texts(texts).tokens(item);
    if (tokens.length == 0) {
      return Verdict.of(Fate.NOT_INDEXED, "this server knows no text of the item");
    }
    if (known.length == 0) {
      return Verdict.of(Fate.NOT_RUN, "the bundle knows no item of the history");
    }
    LiveFm.Legal legal = legal(question);
    List<FacetBeams> beams = beams(question, legal, ownId(tokens));
    List<Grounded> grounded =
        grounding.ground(
            search(question, known, beams).run(), question.catalogue().texts(texts), legal);
    for (int rank = 0; rank < grounded.size(); rank++) {
      if (grounded.get(rank).item() == item) {
        return Verdict.ranked(rank, question.k());
      }
    }
    BeamSearch.Pruned pruned = beams.getFirst().pruned();
    String nothing = "no n-gram that was written speaks for the item";
    return pruned == null
        ? Verdict.of(Fate.PRUNED, nothing)
        : new Verdict(
            Fate.PRUNED,
            nothing + "; its id ranked " + pruned.rank() + " at code " + pruned.level(),
            pruned.level(),
            pruned.rank());
  }

  /** The n-gram of an item's id; empty when it has none. */
  private static int[] ownId(int[] tokens) {
    int end = 0;
    while (tokens[end] != ItemTokens.ATTRIBUTE) {
      end++;
    }
    return end == 0 ? new int[0] : Arrays.copyOf(tokens, end + 1);
  }

  private int[] known(Question question) {
    if (question.history().isEmpty()) {
      throw RequestException.invalidArgument(
          "history: empty (expected: at least one event for this source)");
    }
    return question.history().stream()
        .mapToInt(trained::indexOf)
        .filter(item -> item >= 0)
        .toArray();
  }

  private LiveFm.Legal legal(Question question) {
    LiveItems items = question.catalogue().items();
    LiveFm index = question.catalogue().texts(texts);
    int[] excluded =
        question.exclude().stream().mapToInt(items::indexOf).filter(item -> item >= 0).toArray();
    ItemFilter filter = question.filter();
    if (filter == null) {
      return index.legal(index.snapshot().legal(), item -> true, excluded);
    }
    return index.legal(
        ofSnapshot(items, index, filter), items.matchingInDelta(filter)::contains, excluded);
  }

  private LegalRows ofSnapshot(LiveItems items, LiveFm index, ItemFilter filter) {
    return filters.get(
        items.matchingInSnapshot(filter), matching -> index.snapshot().legal(matching));
  }

  /** Finds what the filters leave of a snapshot that no request has waited for yet. */
  @Override
  public void coming(CatalogueView view, List<ItemFilter> filters) {
    filters.forEach(filter -> ofSnapshot(view.items(), view.texts(texts), filter));
  }

  private List<FacetBeams> beams(Question question, LiveFm.Legal legal, int[] watchedId) {
    int width = beam.asked(question);
    List<FacetBeams> beams = new ArrayList<>();
    for (Facet facet : facets) {
      int[] watched = beams.isEmpty() ? watchedId : new int[0];
      beams.add(new FacetBeams(facet, legal.constraint(facet.ngrams()), width, watched));
    }
    return beams;
  }

  private NgramSearch search(Question question, int[] known, List<FacetBeams> beams) {
    return new NgramSearch(model.start(known, question.deadlineNanos()), beams);
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}

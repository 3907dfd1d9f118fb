package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.LegalItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.retrieval.Answer.Hit;
import io.espalier.retrieval.Answer.Narrowed;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.server.RequestException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * TIGER (Rajput et al., 2023): generates the semantic ids of the next item, level by level, over
 * the trie of the ids that exist. Items that share an id share its beam's score, in the order in
 * which the catalogue came to know them.
 */
final class TigerRetriever implements Retriever, AutoCloseable {
  private static final int DEFAULT_BEAM = 50;

  private final TigerModel model;
  private final BeamWidth beam;
  private final CodedItems coded;
  private final SearchLoad load;
  // Null where questions are decoded stepwise.
  private final @Nullable FusedModel fused;

  private TigerRetriever(
      TigerModel model,
      BeamWidth beam,
      CodedItems coded,
      SearchLoad load,
      @Nullable FusedModel fused) {
    this.model = model;
    this.beam = beam;
    this.coded = coded;
    this.load = load;
    this.fused = fused;
  }

  static TigerRetriever open(
      Bundle bundle,
      Catalogue catalogue,
      ModelCalls calls,
      SearchLoad load,
      @Nullable Decoder decoder) {
    TigerModel model = new TigerModel(bundle, calls);
    BeamWidth beam = BeamWidth.of(bundle, DEFAULT_BEAM);
    CodedItems coded = CodedItems.open(bundle, catalogue, model.levels(), model.codes());
    catalogue.add(coded);
    FusedModel fused = null;
    if (isFused(bundle, decoder)) {
      fused = FusedModel.open(bundle, model, beam.own(), calls);
      try {
        catalogue.add(fused);
      } catch (RuntimeException | Error e) {
        fused.close();
        throw e;
      }
    }
    return new TigerRetriever(model, beam, coded, load, fused);
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

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.LOG_PROBABILITY;
  }

  @Override
  public boolean isControlled() {
    return true;
  }

  @Override
  public Answer retrieve(Question question) {
    requireQuotas(question.control());
    List<CodedItems.Event> known = known(question);
    if (known.isEmpty()) {
      return new Answer(List.of(), true, 0);
    }
    LegalItems legal = coded.legal(question);
    Constraint constraint = legal.constraint();
    try (SearchLoad.Search _ = load.begin()) {
      int width = width(question);
      Narrowed narrowed =
          width < beam.asked(question) ? new Narrowed(beam.asked(question), width) : null;
      Optional<List<Beam>> atOnce = searchFused(question, known, legal, constraint, width);
      OptionalDouble logMass = OptionalDouble.empty();
      UnseenItems.Listed listed;
      if (atOnce.isPresent()) {
        listed = new UnseenItems.Listed(BeamItem.best(atOnce.get(), constraint, question.k()), 0);
      } else {
        BeamSearch search = search(question, known, constraint, width);
        search.run();
        listed = list(question, search);
        if (question.control().unseenShare() == 0) {
          logMass = search.logMass();
        }
      }
      List<Hit> hits = hits(question, listed);
      return new Answer(
          hits, hits.size() < question.k(), known.size(), atOnce.isPresent(), narrowed, logMass);
    }
  }

  private static List<Hit> hits(Question question, UnseenItems.Listed listed) {
    LiveItems items = question.catalogue().items();
    int firstAdded = listed.items().size() - listed.added();
    List<Hit> hits = new ArrayList<>(listed.items().size());
    for (BeamItem found : listed.items()) {
      hits.add(
          new Hit(
              items.id(found.item()),
              found.beam().score(),
              found.beam().codes(),
              hits.size() >= firstAdded));
    }
    return hits;
  }

  private UnseenItems.Listed list(Question question, BeamSearch search) {
    Control control = question.control();
    LiveItems items = question.catalogue().items();
    return UnseenItems.list(
        search,
        question.k(),
        control.unseenShare(),
        control.quotas(),
        item -> coded.trained().indexOf(items.id(item)) < 0);
  }

  private void requireQuotas(Control control) {
    for (Control.Quota quota : control.quotas()) {
      if (quota.length() > model.levels()) {
        throw RequestException.invalidArgument(
            "decoding: quotas: length "
                + quota.length()
                + " (expected: 1.."
                + model.levels()
                + ", the bundle's levels)");
      }
    }
  }

  @Override
  public Verdict explain(Question question, String id) {
    requireQuotas(question.control());
    List<CodedItems.Event> known = known(question);
    Optional<Verdict> unreachable = coded.unreachable(question, id);
    if (unreachable.isPresent()) {
      return unreachable.get();
    }
    if (known.isEmpty()) {
      return Verdict.of(Fate.NOT_RUN, "the bundle knows no item of the history");
    }
    Constraint constraint = coded.legal(question).constraint();
    try (SearchLoad.Search _ = load.begin()) {
      int width = width(question);
      BeamSearch search = search(question, known, constraint, width);
      int item = question.catalogue().items().indexOf(id);
      ItemTrace trace = new ItemTrace(question, item, coded.semanticId(question, id), width);
      return trace.follow(search, () -> list(question, search));
    }
  }

  /** The beams of a search that has begun. */
  private int width(Question question) {
    Control.@Nullable LoadWidth bounds = question.control().loadWidth();
    return bounds == null ? beam.asked(question) : load.width(beam.asked(question), bounds);
  }

  /** The one place that says how a question is decoded: empty for stepwise. */
  private Optional<List<Beam>> searchFused(
      Question question,
      List<CodedItems.Event> known,
      LegalItems legal,
      Constraint constraint,
      int width) {
    LiveTrie trie = coded.trie(question);
    FusedSnapshot snapshot = fused == null ? null : fused.of(trie.snapshot());
    if (snapshot == null || question.control().choosesBeams()) {
      return Optional.empty();
    }
    return snapshot.search(
        trie, legal, constraint, history(known), width, question.deadlineNanos());
  }

  private BeamSearch search(
      Question question, List<CodedItems.Event> known, Constraint constraint, int width) {
    return new BeamSearch(
        constraint,
        model.start(history(known), question.deadlineNanos()),
        width,
        question.control(),
        question.catalogue().items()::id);
  }

  /** The history's items that have a semantic id, oldest first. */
  List<CodedItems.Event> known(Question question) {
    return coded.known(question);
  }

  /** The latest events as the models take them. */
  long[] history(List<CodedItems.Event> known) {
    return History.fitCodes(
        known.stream().map(CodedItems.Event::codes).toList(),
        model.places(known.size()),
        model.levels());
  }

  @Override
  public void close() {
    if (fused != null) {
      fused.close();
    }
  }
}

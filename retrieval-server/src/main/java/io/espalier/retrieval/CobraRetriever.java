package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.index.live.LiveItems;
import io.espalier.index.trie.Constraint;
import io.espalier.retrieval.Answer.Hit;
import io.espalier.retrieval.Verdict.Fate;
import io.espalier.server.RequestException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * COBRA (Yang et al., 2025): generates sparse ids, each of which many items share, then for each
 * beam the dense vector that is meant, and orders the items under the beams by {@link BeamFusion}.
 *
 * <p>Beams and items are those of the catalogue that the question is pinned to, its filter and its
 * exclusions; every legal item under a beam is compared. An item that the bundle has no vector of
 * cannot be compared: it is passed over, in a history and under a beam.
 */
final class CobraRetriever implements Retriever {
  private static final int DEFAULT_BEAM = 50;
  private static final double DEFAULT_TAU = 0.9;
  private static final double DEFAULT_PSI = 16;

  private final CodedItems coded;
  private final CobraModel model;
  private final DenseVectors vectors;
  private final BeamFusion fusion;
  private final BeamWidth beam;

  private CobraRetriever(
      CodedItems coded, CobraModel model, DenseVectors vectors, BeamFusion fusion, BeamWidth beam) {
    this.coded = coded;
    this.model = model;
    this.vectors = vectors;
    this.fusion = fusion;
    this.beam = beam;
  }

  static CobraRetriever open(Bundle bundle, Catalogue catalogue, ModelCalls calls) {
    CobraModel model = new CobraModel(bundle, calls);
    CodedItems coded =
        CodedItems.open(bundle, catalogue, model.sparse().levels(), model.sparse().codes());
    catalogue.add(coded);
    DenseVectors vectors =
        new DenseVectors(VectorSearch.read(bundle, "item_vectors", coded.trained().size()));
    if (vectors.width() != model.width()) {
      throw bundle
          .parameters()
          .wrong("width", model.width(), vectors.width() + ", as item_vectors");
    }
    BeamWidth beam = BeamWidth.of(bundle, DEFAULT_BEAM);
    BeamFusion fusion =
        new BeamFusion(
            bundle.parameters().number("tau", DEFAULT_TAU),
            bundle.parameters().number("psi", DEFAULT_PSI));
    return new CobraRetriever(coded, model, vectors, fusion, beam);
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.BEAM_FUSION;
  }

  @Override
  public Answer retrieve(Question question) {
    List<CodedItems.Event> known = known(question);
    if (known.isEmpty()) {
      return new Answer(List.of(), true, 0);
    }
    Constraint constraint = coded.legal(question).constraint();
    CobraModel.Request request = start(question, known);
    List<Beam> beams = new BeamSearch(constraint, request, beam.asked(question)).run();
    LiveItems items = question.catalogue().items();
    List<Hit> hits =
        fused(items, constraint, request, beams).stream()
            .limit(question.k())
            .map(f -> new Hit(items.id(f.item()), f.score(), f.beam().codes()))
            .toList();
    return new Answer(hits, hits.size() < question.k(), known.size());
  }

  @Override
  public Verdict explain(Question question, String id) {
    List<CodedItems.Event> known = known(question);
    Optional<Verdict> unreachable = coded.unreachable(question, id);
    if (unreachable.isPresent()) {
      return unreachable.get();
    }
    if (coded.trained().indexOf(id) < 0) {
      return Verdict.of(Fate.NOT_INDEXED, "the bundle has no vector of the item");
    }
    if (known.isEmpty()) {
      return Verdict.of(Fate.NOT_RUN, "the bundle knows no item of the history");
    }
    Constraint constraint = coded.legal(question).constraint();
    CobraModel.Request request = start(question, known);
    BeamSearch search = new BeamSearch(constraint, request, beam.asked(question));
    int[] semanticId = coded.semanticId(question, id);
    Optional<BeamSearch.Pruned> pruned = search.trace(semanticId);
    if (pruned.isPresent()) {
      return Verdict.pruned(semanticId, pruned.get(), " of beams " + beam.asked(question));
    }
    LiveItems items = question.catalogue().items();
    int item = items.indexOf(id);
    List<Fused> all = fused(items, constraint, request, search.beams());
    int rank = 0;
    while (all.get(rank).item() != item) {
      rank++;
    }
    return Verdict.ranked(rank, question.k());
  }

  /** The events of the history that have a sparse id and a vector, oldest first. */
  private List<CodedItems.Event> known(Question question) {
    return coded.known(question).stream().filter(event -> event.row() >= 0).toList();
  }

  private CobraModel.Request start(Question question, List<CodedItems.Event> known) {
    int places = model.sparse().places(known.size());
    int kept = Math.min(places, known.size());
    float[] given = new float[places * vectors.width()];
    for (int event = 0; event < kept; event++) {
      int row = known.get(known.size() - kept + event).row();
      vectors.copyRow(row, given, (places - kept + event) * vectors.width());
    }
    List<List<Integer>> codes = known.stream().map(CodedItems.Event::codes).toList();
    return model.start(
        History.fitCodes(codes, places, model.sparse().levels()), given, question.deadlineNanos());
  }

  /**
   * An item under a beam.
   *
   * @param item its index in the catalogue
   * @param beam the number of its beam
   * @param cosine of its vector and the beam's
   */
  private record Candidate(int item, int beam, double cosine) {}

  /**
   * A candidate and what it is worth.
   *
   * @param score the logarithm of its BeamFusion
   */
  private record Fused(int item, Beam beam, double score) {}

  /** All items under the beams that have a vector, best first; equal scores by the lower item. */
  private List<Fused> fused(
      LiveItems items, Constraint constraint, CobraModel.Request request, List<Beam> beams) {
    if (beams.isEmpty()) {
      return List.of();
    }
    float[] meant = request.vectors(beams);
    List<Candidate> union = new ArrayList<>();
    for (int b = 0; b < beams.size(); b++) {
      int beam = b;
      constraint.forEachItem(
          beams.get(beam).state(),
          item -> {
            int row = coded.trained().indexOf(items.id(item));
            if (row >= 0) {
              double cosine = vectors.cosine(row, meant, beam * vectors.width());
              union.add(new Candidate(item, beam, cosine));
            }
          });
    }
    double[] scores =
        fusion.logScores(
            beams.stream().mapToDouble(Beam::score).toArray(),
            union.stream().mapToInt(Candidate::beam).toArray(),
            union.stream().mapToDouble(Candidate::cosine).toArray());
    List<Fused> fused = new ArrayList<>(scores.length);
    for (int i = 0; i < scores.length; i++) {
      if (Double.isNaN(scores[i])) {
        throw RequestException.unavailable("model: NaN among the dense vectors");
      }
      Candidate candidate = union.get(i);
      fused.add(new Fused(candidate.item(), beams.get(candidate.beam()), scores[i]));
    }
    fused.sort(Comparator.comparingDouble((Fused f) -> -f.score()).thenComparingInt(Fused::item));
    return fused;
  }
}

package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.index.ScoredItems;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.index.vector.NpyFile;
import io.espalier.index.vector.VectorIndex;
import java.io.IOException;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/** Encodes the question into one or more vectors, then searches all item vectors exactly. */
final class VectorSearch implements ItemSearch {
  private final Needs needs;
  private final Encoder encoder;
  private final VectorIndex index;

  /** A model that turns a question into vectors. */
  @FunctionalInterface
  interface Encoder {
    /** One or more query vectors, one after another. */
    float[] encode(Question question, int[] history);
  }

  VectorSearch(Needs needs, Encoder encoder, VectorIndex index) {
    this.needs = needs;
    this.encoder = encoder;
    this.index = index;
  }

  /** Reads a bundle's item vectors, and its item biases where it has them. */
  static VectorIndex readVectors(Bundle bundle, int items, int width) {
    FloatMatrix vectors = read(bundle, "item_vectors", items);
    if (vectors.width() != width) {
      throw new BundleException(
          "bundle "
              + bundle.id()
              + ": item_vectors: width "
              + vectors.width()
              + " (expected: "
              + width
              + ")");
    }
    return VectorIndex.of(
        vectors, bundle.hasFile("item_bias") ? read(bundle, "item_bias", items) : null);
  }

  /** Reads a matrix of one row an item. */
  static FloatMatrix read(Bundle bundle, String part, int items) {
    FloatMatrix matrix;
    try {
      matrix = NpyFile.read(bundle.file(part));
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": files." + part, e);
    }
    if (matrix.rows() != items) {
      throw new BundleException(
          "bundle "
              + bundle.id()
              + ": "
              + part
              + ": "
              + matrix.rows()
              + " rows (expected: "
              + items
              + ", one an item)");
    }
    return matrix;
  }

  @Override
  public Needs needs() {
    return needs;
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.SIMILARITY;
  }

  @Override
  public ScoredItems search(Question question, int[] history, int k, @Nullable BitSet legal) {
    return index.search(encoder.encode(question, history), k, legal);
  }
}

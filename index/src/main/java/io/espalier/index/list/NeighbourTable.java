package io.espalier.index.list;

import io.espalier.index.ScoredItems;
import io.espalier.index.TopK;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** For each item, the items most like it, with scores. Immutable. */
public final class NeighbourTable {
  // Neighbours of item i are at start[i]..start[i + 1].
  private final int[] start;
  private final int[] neighbour;
  private final float[] score;

  private NeighbourTable(int[] start, int[] neighbour, float[] score) {
    this.start = start;
    this.neighbour = neighbour;
    this.score = score;
  }

  /**
   * Reads {@code item<TAB>neighbour:score neighbour:score …}, best first, one item a line; items
   * that the file leaves out have no neighbours.
   *
   * @param items number of items
   * @throws IOException when a line is malformed, names an item out of range or out of order
   */
  public static NeighbourTable read(Path file, int items) throws IOException {
    List<String> lines = Files.readAllLines(file);
    int[] start = new int[items + 1];
    int[] neighbour = new int[1024];
    float[] score = new float[1024];
    int size = 0;
    int next = 0;
    for (int n = 0; n < lines.size(); n++) {
      String line = lines.get(n);
      int tab = line.indexOf('\t');
      try {
        int item = Integer.parseInt(line.substring(0, tab));
        if (item < next || item >= items) {
          throw new NumberFormatException("item " + item);
        }
        while (next <= item) {
          start[next++] = size;
        }
        for (String pair : line.substring(tab + 1).split(" ", -1)) {
          if (pair.isEmpty()) {
            continue;
          }
          if (size == neighbour.length) {
            neighbour = Arrays.copyOf(neighbour, 2 * size);
            score = Arrays.copyOf(score, 2 * size);
          }
          int colon = pair.indexOf(':');
          neighbour[size] = Integer.parseInt(pair.substring(0, colon));
          score[size] = Float.parseFloat(pair.substring(colon + 1));
          if (neighbour[size] < 0 || neighbour[size] >= items || !Float.isFinite(score[size])) {
            throw new NumberFormatException(pair);
          }
          size++;
        }
      } catch (NumberFormatException | StringIndexOutOfBoundsException e) {
        throw new IOException(
            file
                + ":"
                + (n + 1)
                + ": "
                + e.getMessage()
                + " (expected: item, TAB, neighbour:score pairs; items ascending, 0.."
                + (items - 1)
                + ")",
            e);
      }
    }
    Arrays.fill(start, next, items + 1, size);
    return new NeighbourTable(start, Arrays.copyOf(neighbour, size), Arrays.copyOf(score, size));
  }

  /** Number of items. */
  public int size() {
    return start.length - 1;
  }

  /**
   * The score of every item for a history: the sum, over the history's events, of the item's score
   * as a neighbour times {@code decay} to the power of the event's age (0 for the most recent).
   *
   * @param history item indices, oldest first
   */
  public float[] scores(int[] history, double decay) {
    float[] sums = new float[size()];
    double weight = 1;
    for (int h = history.length - 1; h >= 0; h--) {
      for (int at = start[history[h]]; at < start[history[h] + 1]; at++) {
        sums[neighbour[at]] += (float) (weight * score[at]);
      }
      weight *= decay;
    }
    return sums;
  }

  /**
   * The k items with the highest positive score.
   *
   * @param legal items that may be returned; null for all
   */
  public ScoredItems search(int[] history, double decay, int k, @Nullable BitSet legal) {
    float[] sums = scores(history, decay);
    TopK best = new TopK(Math.min(k, Math.max(1, sums.length)));
    for (int item = 0; item < sums.length; item++) {
      if (sums[item] > 0 && (legal == null || legal.get(item))) {
        best.offer(item, sums[item]);
      }
    }
    return best.drain();
  }
}

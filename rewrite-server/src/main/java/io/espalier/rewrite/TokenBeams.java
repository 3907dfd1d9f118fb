package io.espalier.rewrite;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Beam search over tokens, without length penalty: a text's score is the sum of the
 * log-probabilities of its tokens, the end token included.
 *
 * <p>Each step looks at the {@code 2 × width} best continuations of all open beams (equal ones: the
 * earlier beam, then the lower token): those that end are kept aside, the best {@code width} others
 * stay open. It is over when the {@code width} best ended texts are at least as good as every open
 * beam can still become, since a longer text never scores higher.
 */
final class TokenBeams {
  private final int width;
  private final long endToken;
  private List<Beam> open;
  private List<Beam> ended = new ArrayList<>();

  /** Tokens so far, the start token first, and their score. */
  record Beam(List<Long> tokens, double score) {
    Beam with(long token, double newScore) {
      List<Long> longer = new ArrayList<>(tokens.size() + 1);
      longer.addAll(tokens);
      longer.add(token);
      return new Beam(longer, newScore);
    }
  }

  TokenBeams(int width, long startToken, long endToken) {
    this.width = width;
    this.endToken = endToken;
    this.open = List.of(new Beam(List.of(startToken), 0));
  }

  /** The beams that can still grow, best first; all of one length. */
  List<Beam> open() {
    return open;
  }

  /** The texts that ended, best first, without their end token. */
  List<Beam> ended() {
    return ended;
  }

  boolean isDone() {
    return open.isEmpty()
        || (ended.size() == width && ended.getLast().score() >= open.getFirst().score());
  }

  /**
   * Grows every open beam by one token.
   *
   * @param logProbs one row of {@code vocabulary} values an open beam
   */
  void step(FloatBuffer logProbs, int vocabulary) {
    int wanted = (int) Math.min(2L * width, (long) open.size() * vocabulary);
    double[] scores = new double[wanted];
    long[] places = new long[wanted];
    int found = 0;
    for (int beam = 0; beam < open.size(); beam++) {
      double before = open.get(beam).score();
      for (int token = 0; token < vocabulary; token++) {
        double score = before + logProbs.get(beam * vocabulary + token);
        if (found < wanted) {
          found++;
        } else if (!(score > scores[found - 1])) {
          continue;
        }
        int at = found - 1;
        while (at > 0 && score > scores[at - 1]) {
          scores[at] = scores[at - 1];
          places[at] = places[at - 1];
          at--;
        }
        scores[at] = score;
        places[at] = (long) beam * vocabulary + token;
      }
    }
    List<Beam> next = new ArrayList<>(width);
    for (int i = 0; i < found; i++) {
      Beam grown = open.get((int) (places[i] / vocabulary));
      long token = places[i] % vocabulary;
      if (token == endToken) {
        ended.add(new Beam(grown.tokens(), scores[i]));
      } else if (next.size() < width) {
        next.add(grown.with(token, scores[i]));
      }
    }
    ended.sort(Comparator.comparingDouble(Beam::score).reversed());
    ended = new ArrayList<>(ended.subList(0, Math.min(width, ended.size())));
    open = next;
  }

  /** The tokens of the open beams, row by row. */
  long[] prefixes() {
    return open.stream()
        .flatMapToLong(beam -> beam.tokens().stream().mapToLong(Long::longValue))
        .toArray();
  }
}

package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.index.fm.LiveFm;
import io.espalier.index.fm.Ngrams;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class FacetBeamsTest {
  private static final int TOKENS = 9;
  private static final int END = 1;

  /** A step's values are a hash of all that its row has read; it must be told the right parents. */
  private static final class GridNgrams implements NgramModel {
    private final long seed;
    private List<int[]> read = List.of();

    GridNgrams(long seed) {
      this.seed = seed;
    }

    @Override
    public int tokens() {
      return TOKENS;
    }

    @Override
    public FloatBuffer logProbs(int[] next, int[] parents) {
      List<int[]> grown = new ArrayList<>();
      FloatBuffer values = FloatBuffer.allocate(next.length * TOKENS);
      for (int row = 0; row < next.length; row++) {
        int[] before = read.isEmpty() ? new int[0] : read.get(parents[row]);
        int[] all = Arrays.copyOf(before, before.length + 1);
        all[before.length] = next[row];
        grown.add(all);
        for (int token = 0; token < TOKENS; token++) {
          values.put(value(all, token));
        }
      }
      read = grown;
      return values.flip();
    }

    float value(int[] all, int token) {
      long hash = (seed * 31 + Arrays.hashCode(all)) * 1000003 + token;
      return -(((hash * 0x9E3779B97F4A7C15L) >>> 40) % 13) / 4f;
    }
  }

  /** Wide beams find every n-gram of the texts, narrow ones what a plain search keeps. */
  @Test
  void run_randomTexts_equalsAPlainBeamSearch() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 2000; round++) {
      int[][] texts = new int[1 + random.nextInt(8)][];
      for (int item = 0; item < texts.length; item++) {
        texts[item] = random.ints(random.nextInt(12), 1, TOKENS).toArray();
      }
      LiveFm live = LiveFm.of(TOKENS, texts, 1);
      LiveFm.Legal legal = live.legal(live.snapshot().legal(), item -> true, new int[0]);
      List<Facet> facets =
          List.of(
              new Facet("ended", 2, new Ngrams(2, 3, TOKENS, END, 5), 0, 1),
              new Facet("anywhere", 0, new Ngrams(-1, 3, 7, -1, 4), 0, 1));
      int width = random.nextInt(3) == 0 ? 500 : 1 + random.nextInt(6);
      long model = random.nextLong();

      List<Ngram> found =
          new NgramSearch(
                  new GridNgrams(model),
                  facets.stream()
                      .map(f -> new FacetBeams(f, legal.constraint(f.ngrams()), width, new int[0]))
                      .toList())
              .run();

      for (Facet facet : facets) {
        List<String> own =
            found.stream().filter(n -> n.facet().equals(facet)).map(FacetBeamsTest::print).toList();
        assertThat(own)
            .as("round %s, width %s, %s", round, width, facet.name())
            .containsExactlyInAnyOrderElementsOf(plain(facet, texts, width, new GridNgrams(model)));
      }
    }
  }

  private static String print(Ngram ngram) {
    return Arrays.toString(ngram.tokens()) + " " + ngram.score();
  }

  /** Steps over all substrings, sorting all candidates of each, giving nothing up. */
  private static List<String> plain(Facet facet, int[][] texts, int width, GridNgrams model) {
    Ngrams shape = facet.ngrams();
    TreeSet<int[]> substrings = new TreeSet<>(Arrays::compare);
    for (int[] text : texts) {
      for (int from = 0; from < text.length; from++) {
        for (int to = from + 1; to <= text.length; to++) {
          substrings.add(Arrays.copyOfRange(text, from, to));
        }
      }
    }
    List<Ngram> done = new ArrayList<>();
    List<Ngram> live = new ArrayList<>();
    int[] start = shape.start() < 0 ? new int[0] : new int[] {shape.start()};
    live.add(new Ngram(facet, start, 0));
    Comparator<Ngram> best =
        Comparator.comparingDouble(Ngram::score)
            .reversed()
            .thenComparing(Ngram::tokens, Arrays::compare);
    for (int step = 0; !live.isEmpty(); step++) {
      List<Ngram> candidates = new ArrayList<>();
      for (Ngram beam : live) {
        int[] read = Arrays.copyOf(new int[] {facet.prompt()}, step + 1);
        System.arraycopy(beam.tokens(), start.length, read, 1, step);
        for (int token = 0; token < TOKENS; token++) {
          boolean end = token == shape.end() && step > 0;
          int[] grown = Arrays.copyOf(beam.tokens(), beam.tokens().length + 1);
          grown[beam.tokens().length] = token;
          if ((end || (token >= shape.low() && token < shape.high()))
              && substrings.contains(grown)) {
            candidates.add(new Ngram(facet, grown, beam.score() + model.value(read, token)));
          }
        }
      }
      candidates.sort(best);
      live.clear();
      for (Ngram ngram : candidates.subList(0, Math.min(width, candidates.size()))) {
        boolean end = ngram.tokens()[ngram.tokens().length - 1] == shape.end();
        if (end || shape.end() < 0) {
          done.add(ngram);
        }
        if (!end && ngram.tokens().length < shape.most()) {
          live.add(ngram);
        }
      }
    }
    done.sort(best);
    List<Ngram> kept = shape.end() < 0 ? done : done.subList(0, Math.min(width, done.size()));
    return kept.stream().map(FacetBeamsTest::print).toList();
  }
}

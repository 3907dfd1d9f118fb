package io.espalier.rewrite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.espalier.rewrite.TokenBeams.Beam;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class TokenBeamsTest {
  private static final long SEED = 8_803;
  private static final int VOCABULARY = 3;
  private static final long START = 9;
  private static final long END = 0;
  private static final int LONGEST = 4;

  /** Log-probabilities of the next token, by prefix. */
  private final Map<String, float[]> model = new TreeMap<>();

  @Test
  void step_wideBeam_equalsExhaustiveSearch() {
    System.out.println("seed " + SEED);
    Random random = new Random(SEED);
    for (int round = 0; round < 300; round++) {
      model.clear();
      List<Beam> all = new ArrayList<>();
      enumerate(List.of(START), 0, all, random);
      all.sort(Comparator.comparingDouble(Beam::score).reversed());

      TokenBeams beams = search(40);

      // 40 is wider than the 27 open prefixes of length 3, so nothing is lost.
      List<Beam> best = all.subList(0, Math.min(40, all.size()));
      assertThat(beams.ended()).hasSameSizeAs(best);
      for (int i = 0; i < best.size(); i++) {
        assertThat(beams.ended().get(i).score()).isCloseTo(best.get(i).score(), within(1e-5));
      }
    }
  }

  @Test
  void step_narrowBeam_findsOnlyTextsThatExistAndStops() {
    Random random = new Random(SEED);
    for (int round = 0; round < 300; round++) {
      model.clear();
      List<Beam> all = new ArrayList<>();
      enumerate(List.of(START), 0, all, random);

      TokenBeams beams = search(2);

      assertThat(beams.ended()).hasSizeLessThanOrEqualTo(2);
      for (Beam found : beams.ended()) {
        assertThat(all)
            .anySatisfy(
                beam -> {
                  assertThat(beam.tokens()).isEqualTo(found.tokens());
                  assertThat(beam.score()).isCloseTo(found.score(), within(1e-5));
                });
      }
    }
  }

  @Test
  void step_equalScores_preferTheEarlierBeamThenTheLowerToken() {
    TokenBeams beams = new TokenBeams(2, START, END);

    beams.step(FloatBuffer.wrap(new float[] {-1, -1, -1}), VOCABULARY);

    assertThat(beams.ended()).extracting(Beam::tokens).containsExactly(List.of(START));
    assertThat(beams.open())
        .extracting(Beam::tokens)
        .containsExactly(List.of(START, 1L), List.of(START, 2L));
    assertThat(beams.prefixes()).containsExactly(START, 1, START, 2);
  }

  @Test
  void step_impossibleEverything_keepsNothingThatIsNotANumber() {
    TokenBeams beams = new TokenBeams(2, START, END);
    float[] none = {Float.NEGATIVE_INFINITY, Float.NEGATIVE_INFINITY, -1};

    beams.step(FloatBuffer.wrap(none), VOCABULARY);

    assertThat(beams.open().getFirst().tokens()).containsExactly(START, 2L);
  }

  private TokenBeams search(int width) {
    TokenBeams beams = new TokenBeams(width, START, END);
    for (int length = 1; length <= LONGEST && !beams.isDone(); length++) {
      float[] rows = new float[beams.open().size() * VOCABULARY];
      for (int i = 0; i < beams.open().size(); i++) {
        float[] next = model.get(beams.open().get(i).tokens().toString());
        assertThat(next).isNotNull();
        System.arraycopy(next, 0, rows, i * VOCABULARY, VOCABULARY);
      }
      beams.step(FloatBuffer.wrap(rows), VOCABULARY);
    }
    return beams;
  }

  private void enumerate(List<Long> prefix, double score, List<Beam> all, Random random) {
    if (prefix.size() > LONGEST) {
      return;
    }
    float[] next = new float[VOCABULARY];
    for (int token = 0; token < VOCABULARY; token++) {
      next[token] = -random.nextInt(64) / 16f - 0.0625f;
    }
    model.put(prefix.toString(), next);
    for (int token = 0; token < VOCABULARY; token++) {
      if (token == END) {
        all.add(new Beam(prefix, score + next[token]));
      } else {
        enumerate(new Beam(prefix, 0).with(token, 0).tokens(), score + next[token], all, random);
      }
    }
  }
}

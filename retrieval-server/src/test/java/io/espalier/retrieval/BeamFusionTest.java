package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BeamFusionTest {
  private static final BeamFusion PAPER = new BeamFusion(0.9, 16);

  @Test
  void logScores_twoBeams_areThoseCalculatedByHand() {
    // .5^.9 = .535887 and .25^.9 = .287175: the beams have .651089 and .348911.
    // e^8 = 2980.958, e^4 = 54.598, e^8: the candidates have .495462, .009075 and .495462.
    double[] scores =
        PAPER.logScores(
            new double[] {Math.log(0.5), Math.log(0.25)},
            new int[] {0, 0, 1},
            new double[] {0.5, 0.25, 0.5});

    assertThat(Math.exp(scores[0])).isCloseTo(0.651089 * 0.495462, within(1e-6));
    assertThat(Math.exp(scores[1])).isCloseTo(0.651089 * 0.009075, within(1e-6));
    assertThat(Math.exp(scores[2])).isCloseTo(0.348911 * 0.495462, within(1e-6));
  }

  @Test
  void logScores_candidateAlone_isCertain() {
    assertThat(PAPER.logScores(new double[] {-7}, new int[] {0}, new double[] {-0.3}))
        .containsExactly(0);
  }

  @Test
  void logScores_noCandidates_areNone() {
    assertThat(PAPER.logScores(new double[] {-1}, new int[0], new double[0])).isEmpty();
  }

  @Test
  void logScores_improbableBeams_stayFinite() {
    double[] scores =
        PAPER.logScores(new double[] {-1e4, -1e4 - 1}, new int[] {0, 1}, new double[] {1, 1});

    assertThat(scores[0] - scores[1]).isCloseTo(0.9, within(1e-9));
    assertThat(Math.exp(scores[0]) + Math.exp(scores[1])).isCloseTo(0.5, within(1e-9));
  }

  @Test
  void logScores_random_areTheProductsOfTheDefinition() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int n = 0; n < 2000; n++) {
      double[] beams = random.doubles(1 + random.nextInt(6), -9, 0).toArray();
      double[] cosines = random.doubles(1 + random.nextInt(20), -1, 1).toArray();
      int[] beamOf = random.ints(cosines.length, 0, beams.length).toArray();
      BeamFusion fusion = new BeamFusion(2 * random.nextDouble(), 30 * random.nextDouble());
      double ofBeams = Arrays.stream(beams).map(b -> Math.exp(fusion.tau() * b)).sum();
      double ofItems = Arrays.stream(cosines).map(c -> Math.exp(fusion.psi() * c)).sum();

      double[] scores = fusion.logScores(beams, beamOf, cosines);

      for (int i = 0; i < scores.length; i++) {
        double product =
            Math.exp(fusion.tau() * beams[beamOf[i]])
                / ofBeams
                * Math.exp(fusion.psi() * cosines[i])
                / ofItems;
        assertThat(Math.exp(scores[i])).isCloseTo(product, within(1e-12));
      }
    }
  }
}

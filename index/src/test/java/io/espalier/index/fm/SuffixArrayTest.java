package io.espalier.index.fm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SuffixArrayTest {

  @Test
  void of_endAlone_isThatPlace() {
    assertThat(SuffixArray.of(new int[] {0}, 1)).containsExactly(0);
  }

  @Test
  void of_textWithoutEnd_isRefused() {
    assertThatThrownBy(() -> SuffixArray.of(new int[] {1, 2}, 3))
        .hasMessage("text: 2 symbols (expected: at least 1, the last of them 0)");
  }

  @Test
  void of_randomTexts_equalsSortedSuffixes() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int round = 0; round < 4000; round++) {
      int symbols = 2 + random.nextInt(round % 3 == 0 ? 2 : round % 3 == 1 ? 5 : 1000);
      int[] text = new int[1 + random.nextInt(round % 100 == 0 ? 2000 : 60)];
      // Repeats of what was written before make long equal prefixes.
      for (int i = 0; i < text.length - 1; i++) {
        text[i] =
            i > 4 && random.nextInt(4) > 0
                ? text[i - 1 - round % 4]
                : 1 + random.nextInt(symbols - 1);
      }

      assertThat(SuffixArray.of(text, symbols)).isEqualTo(sorted(text));
    }
  }

  @Test
  void of_oneSymbolRepeated_runsBackwards() {
    int[] text = new int[100_001];
    Arrays.fill(text, 0, 100_000, 1);

    int[] order = SuffixArray.of(text, 2);

    assertThat(order).isEqualTo(IntStream.rangeClosed(0, 100_000).map(i -> 100_000 - i).toArray());
  }

  private static int[] sorted(int[] text) {
    Comparator<Integer> bySuffix =
        (a, b) -> Arrays.compare(text, a, text.length, text, b, text.length);
    return IntStream.range(0, text.length).boxed().sorted(bySuffix).mapToInt(i -> i).toArray();
  }
}

package io.espalier.shop;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class MisspellingTest {

  @Test
  void of_anyWord_differsAndStaysNear() {
    Dice dice = new Dice(9);
    for (String word : List.of("kettle", "headphones", "cinnamon", "zzzzz", "aquarium")) {
      for (int i = 0; i < 200; i++) {
        String wrong = Misspelling.of(word, dice);
        assertThat(wrong).isNotEqualTo(word).startsWith(word.substring(0, 1));
        assertThat(Math.abs(wrong.length() - word.length())).isLessThanOrEqualTo(2);
      }
    }
  }
}

package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.index.trie.SemanticIdTrie;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class IdShapeTest {
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");

  @Test
  void check_snapshotOfAnyCodes_isRefusedWhereTheLargestIsTooLarge() {
    Random random = new Random(7);
    for (int round = 0; round < 2000; round++) {
      int levels = 1 + random.nextInt(5);
      int items = 1 + random.nextInt(40);
      int bound = 1 + random.nextInt(random.nextBoolean() ? 300 : 70_000);
      int[] codes = random.ints((long) items * levels, 0, bound).toArray();
      SemanticIdTrie trie = SemanticIdTrie.build(levels, codes);
      int largest = IntStream.of(codes).max().orElseThrow();

      new IdShape(levels, largest + 1).check(BUNDLE, trie);

      assertThatThrownBy(() -> new IdShape(levels, largest).check(BUNDLE, trie))
          .isInstanceOf(BundleException.class)
          .hasMessageStartingWith("bundle tiger@1: a snapshot: code %d (expected: ", largest);
    }
  }

  @Test
  void check_snapshotOfOtherLevels_isRefused() {
    SemanticIdTrie trie = SemanticIdTrie.build(2, new int[] {1, 2});

    assertThatThrownBy(() -> new IdShape(3, 8).check(BUNDLE, trie))
        .hasMessage(
            "bundle tiger@1: a snapshot: 2 levels (expected: 3 codes from 0 to 7, as the bundle has"
                + " here)");
  }

  @Test
  void largestCode_withoutIds_isNone() {
    assertThat(SemanticIdTrie.build(1, new int[] {-1}).largestCode()).isEqualTo(-1);
  }
}

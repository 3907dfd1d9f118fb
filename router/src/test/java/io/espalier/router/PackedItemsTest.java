package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.catalog.v1.ScoreKind;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.router.v1.ExplanationLevel;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

class PackedItemsTest {
  private static final long SEED = 20261130;
  private static final double[] DOUBLES = {
    0,
    -0.0,
    1,
    Double.MIN_VALUE,
    Double.MAX_VALUE,
    Double.NEGATIVE_INFINITY,
    Double.POSITIVE_INFINITY,
    Double.NaN
  };
  private static final String[] TEXTS = {"", "a", "1234", "größer", "東京", "🌳", "x".repeat(256)};

  @Test
  void of_randomLists_everyItemAndPageIsAsItWas() {
    Random random = new Random(SEED);
    for (int round = 0; round < 5_000; round++) {
      List<ListItem> items = list(random);
      PackedItems packed = PackedItems.of(items);
      assertThat(packed).as("list %d of seed %d", round, SEED).isEqualTo(items);
      int from = random.nextInt(items.size() + 1);
      int to = from + random.nextInt(items.size() - from + 1);
      for (ExplanationLevel level :
          List.of(
              ExplanationLevel.EXPLANATION_LEVEL_NONE,
              ExplanationLevel.EXPLANATION_LEVEL_SUMMARY,
              ExplanationLevel.EXPLANATION_LEVEL_FULL)) {
        assertThat(packed.subList(from, to).stream().map(item -> item.toProto(level)).toList())
            .as("page %d..%d of list %d of seed %d", from, to, round, SEED)
            .isEqualTo(items.subList(from, to).stream().map(item -> item.toProto(level)).toList());
      }
    }
  }

  @Test
  void of_aNumberThatIsNone_keepsItsBits() {
    double odd = Double.longBitsToDouble(0x7ff8_0000_dead_beefL);
    Candidate candidate = Candidate.newBuilder().setItemId("a").setScore(odd).build();
    SourceList list = new SourceList(0, "s", "", 1, ScoreKind.SCORE_KIND_BM25, 0);
    ListItem item =
        PackedItems.of(
                List.of(
                    new ListItem(
                        "a",
                        -0.0,
                        ScoreKind.SCORE_KIND_BM25,
                        List.of(new ListItem.Hit(list, 0, candidate)),
                        List.of(ScorePart.newBuilder().setName("n").setValue(odd).build()),
                        List.of())))
            .getFirst();
    assertThat(Double.doubleToRawLongBits(item.score())).isEqualTo(Long.MIN_VALUE);
    assertThat(Double.doubleToRawLongBits(item.hits().getFirst().candidate().getScore()))
        .isEqualTo(0x7ff8_0000_dead_beefL);
    assertThat(Double.doubleToRawLongBits(item.parts().getFirst().getValue()))
        .isEqualTo(0x7ff8_0000_dead_beefL);
  }

  @Test
  void of_packedItems_areTheSame() {
    PackedItems packed = PackedItems.of(list(new Random(SEED)));
    assertThat(PackedItems.of(packed)).isSameAs(packed);
  }

  private static List<ListItem> list(Random random) {
    List<SourceList> lists =
        several(
            random,
            20,
            () ->
                new SourceList(
                    random.nextInt(16),
                    text(random),
                    text(random),
                    number(random),
                    kind(random),
                    number(random)));
    List<String> names = several(random, random.nextInt(10) == 0 ? 300 : 8, () -> text(random));
    return several(random, 40, () -> item(random, lists, names));
  }

  private static ListItem item(Random random, List<SourceList> lists, List<String> names) {
    String id = text(random);
    List<ListItem.Hit> hits =
        lists.isEmpty()
            ? List.of()
            : several(
                random,
                4,
                () ->
                    new ListItem.Hit(
                        any(random, lists), random.nextInt(1000), candidate(random, id)));
    List<ScorePart> parts =
        names.isEmpty()
            ? List.of()
            : several(
                random,
                8,
                () ->
                    ScorePart.newBuilder()
                        .setName(any(random, names))
                        .setValue(number(random))
                        .setIsDefault(random.nextBoolean())
                        .build());
    List<String> rules = names.isEmpty() ? List.of() : several(random, 2, () -> any(random, names));
    return new ListItem(id, number(random), kind(random), hits, parts, rules);
  }

  private static Candidate candidate(Random random, String id) {
    return Candidate.newBuilder()
        .setItemId(id)
        .setScore(number(random))
        .addAllSemanticId(
            several(
                random, 5, () -> random.nextInt(8) == 0 ? random.nextInt() : random.nextInt(1024)))
        .setUnseen(random.nextBoolean())
        .build();
  }

  /** From none to the most, each being as likely. */
  private static <T> List<T> several(Random random, int most, Supplier<T> one) {
    List<T> all = new ArrayList<>();
    for (int left = random.nextInt(most + 1); left > 0; left--) {
      all.add(one.get());
    }
    return all;
  }

  private static <T> T any(Random random, List<T> all) {
    return all.get(random.nextInt(all.size()));
  }

  private static ScoreKind kind(Random random) {
    ScoreKind kind = any(random, List.of(ScoreKind.values()));
    return kind == ScoreKind.UNRECOGNIZED ? ScoreKind.SCORE_KIND_UNSPECIFIED : kind;
  }

  private static double number(Random random) {
    return random.nextInt(4) == 0
        ? DOUBLES[random.nextInt(DOUBLES.length)]
        : random.nextGaussian() * 10;
  }

  private static String text(Random random) {
    return random.nextBoolean()
        ? TEXTS[random.nextInt(TEXTS.length)]
        : Integer.toString(random.nextInt(10_000));
  }
}

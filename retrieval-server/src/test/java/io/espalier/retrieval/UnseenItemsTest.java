package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.retrieval.Control.Quota;
import io.espalier.retrieval.Control.Sampling;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class UnseenItemsTest {

  @Test
  void list_anyShareAndQuotas_keepsWhatItSays() {
    int[] cases = {0};
    BeamSearchTest.forEachInstance(
        instance -> {
          Random random = instance.random();
          BitSet unseen = new BitSet();
          for (int item = 0; item < instance.items(); item++) {
            unseen.set(item, random.nextInt(3) == 0);
          }
          int k = 1 + random.nextInt(12);
          double share = random.nextInt(5) / 4.0;
          int width = 1 + random.nextInt(6);
          List<Quota> quotas =
              random.nextBoolean()
                  ? List.of()
                  : List.of(
                      new Quota(1 + random.nextInt(instance.levels()), 1 + random.nextInt(4)));
          Control control =
              new Control(
                  random.nextBoolean() ? null : new Sampling(1, random.nextLong()),
                  quotas,
                  share,
                  null);
          BeamSearch search =
              new BeamSearch(
                  instance.constraint(), instance.model(), width, control, Integer::toString);
          List<Beam> beams = search.run();
          List<BeamItem> found = search.best(k);

          UnseenItems.Listed listed = UnseenItems.list(search, k, share, quotas, unseen::get);

          List<BeamItem> items = listed.items();
          List<BeamItem> kept = items.subList(0, items.size() - listed.added());
          List<BeamItem> added = items.subList(kept.size(), items.size());
          assertThat(items).hasSizeBetween(found.size(), k);
          assertThat(items.stream().map(BeamItem::item)).doesNotHaveDuplicates();
          // What was found stays in its order; only items that are not unseen make room.
          assertThat(found.stream().filter(kept::contains).toList()).isEqualTo(kept);
          assertThat(found.stream().filter(item -> unseen.get(item.item())).toList())
              .isEqualTo(kept.stream().filter(item -> unseen.get(item.item())).toList());
          List<BeamItem> eligible = eligible(instance, beams, found, unseen);
          assertThat(eligible.stream().map(BeamItem::item))
              .containsAll(added.stream().map(BeamItem::item).toList());
          for (BeamItem item : added) {
            assertThat(item.beam().score()).isEqualTo(instance.score(instance.codes(item.item())));
          }
          assertThat(added)
              .isSortedAccordingTo((a, b) -> Double.compare(b.beam().score(), a.beam().score()));
          long there = items.stream().filter(item -> unseen.get(item.item())).count();
          if (!added.isEmpty()) {
            cases[0]++;
            assertThat(there).isLessThanOrEqualTo((long) Math.floor(share * items.size() + 1e-9));
          }
          for (Quota quota : quotas) {
            assertThat(
                    items.stream()
                        .map(item -> item.beam().codes().subList(0, quota.length()))
                        .distinct()
                        .map(
                            prefix ->
                                items.stream()
                                    .filter(
                                        item ->
                                            item.beam()
                                                .codes()
                                                .subList(0, quota.length())
                                                .equals(prefix))
                                    .count()))
                .allMatch(count -> count <= quota.most());
          }
          if (quotas.isEmpty() && found.size() == k) {
            // As many as the share has room for, of those that there are.
            long before = found.stream().filter(item -> unseen.get(item.item())).count();
            assertThat((long) listed.added())
                .isEqualTo(
                    Math.max(
                        0,
                        Math.min(eligible.size(), (long) Math.floor(share * k + 1e-9) - before)));
          }
        });
    assertThat(cases[0]).isGreaterThan(500);
  }

  /** By definition: legal, unseen, not found, and all codes but the last are a beam's. */
  private static List<BeamItem> eligible(
      BeamSearchTest.Instance instance, List<Beam> beams, List<BeamItem> found, BitSet unseen) {
    List<BeamItem> eligible = new ArrayList<>();
    int above = instance.levels() - 1;
    instance.legal().stream()
        .filter(unseen::get)
        .filter(item -> found.stream().noneMatch(other -> other.item() == item))
        .forEach(
            item -> {
              List<Integer> codes = Arrays.stream(instance.codes(item)).boxed().toList();
              if (beams.stream()
                  .anyMatch(b -> b.codes().subList(0, above).equals(codes.subList(0, above)))) {
                eligible.add(new BeamItem(item, new Beam(codes, 0, 0)));
              }
            });
    return eligible;
  }
}

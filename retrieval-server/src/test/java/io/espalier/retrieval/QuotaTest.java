package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.retrieval.BeamSearchTest.Instance;
import io.espalier.retrieval.Control.Quota;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Quotas against their definition: a walk from best to worst that counts. */
class QuotaTest {

  @Test
  void best_quotas_equalTheWalkFromBestToWorst() {
    BeamSearchTest.forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(8);
          List<Quota> quotas = quotas(instance);
          BeamSearch search = search(instance, width, quotas);
          search.run();
          List<String> found =
              search.best(Integer.MAX_VALUE).stream()
                  .map(item -> item.item() + " " + item.beam().score())
                  .toList();
          assertThat(found).isEqualTo(walk(instance, width, quotas));
          int k = 1 + instance.random().nextInt(5);
          assertThat(search.best(k)).hasSize(Math.min(k, found.size()));
        });
  }

  @Test
  void best_quotasThatCannotBind_changeNothing() {
    BeamSearchTest.forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(8);
          List<Quota> quotas = new ArrayList<>();
          for (int length = 1; length <= instance.levels(); length++) {
            quotas.add(new Quota(length, instance.items()));
          }
          BeamSearch search = search(instance, width, quotas);
          BeamSearch plain = search(instance, width, List.of());
          assertThat(search.run().stream().map(Beam::codes))
              .isEqualTo(plain.run().stream().map(Beam::codes).toList());
          assertThat(search.best(9).stream().map(BeamItem::item))
              .isEqualTo(plain.best(9).stream().map(BeamItem::item).toList());
        });
  }

  @Test
  void trace_quotas_nameTheLevelTheRankAndWhatWasFull() {
    BeamSearchTest.forEachInstance(
        instance -> {
          int width = 1 + instance.random().nextInt(5);
          List<Quota> quotas = quotas(instance);
          instance.legal().stream()
              .limit(5)
              .forEach(
                  item -> {
                    int[] target = instance.codes(item);
                    assertThat(search(instance, width, quotas).trace(target))
                        .isEqualTo(fate(instance, target, width, quotas));
                  });
        });
  }

  private static BeamSearch search(Instance instance, int width, List<Quota> quotas) {
    return new BeamSearch(
        instance.constraint(),
        instance.model(),
        width,
        new Control(null, quotas, 0, null),
        Integer::toString);
  }

  private static List<Quota> quotas(Instance instance) {
    Random random = instance.random();
    List<Quota> quotas = new ArrayList<>();
    for (int length = 1; length <= instance.levels(); length++) {
      if (random.nextInt(2) == 0) {
        quotas.add(new Quota(length, 1 + random.nextInt(4)));
      }
    }
    return quotas;
  }

  private static List<int[]> taken(
      List<int[]> ordered, int width, List<Quota> quotas, Map<String, Integer> counts) {
    List<int[]> taken = new ArrayList<>();
    for (int[] codes : ordered) {
      if (taken.size() < width && full(codes, quotas, counts) == 0) {
        taken.add(codes);
        for (Quota quota : quotas) {
          counts.merge(prefix(codes, quota.length()), 1, Integer::sum);
        }
      }
    }
    return taken;
  }

  /** The length of the first quota that has no room; 0 when there is room. */
  private static int full(int[] codes, List<Quota> quotas, Map<String, Integer> counts) {
    for (Quota quota : quotas) {
      if (quota.length() <= codes.length
          && counts.getOrDefault(prefix(codes, quota.length()), 0) >= quota.most()) {
        return quota.length();
      }
    }
    return 0;
  }

  private static String prefix(int[] codes, int length) {
    return Arrays.toString(Arrays.copyOf(codes, length));
  }

  private static List<String> walk(Instance instance, int width, List<Quota> quotas) {
    List<int[]> beams = List.of(new int[0]);
    for (int level = 0; level < instance.levels(); level++) {
      beams = taken(instance.candidates(beams, level), width, quotas, new HashMap<>());
    }
    List<int[]> finished = beams;
    List<Integer> items =
        instance.legal().stream()
            .boxed()
            .filter(i -> finished.stream().anyMatch(b -> Arrays.equals(b, instance.codes(i))))
            .sorted(
                Comparator.comparingDouble((Integer i) -> -instance.score(instance.codes(i)))
                    .thenComparingInt(i -> i))
            .toList();
    Map<String, Integer> counts = new HashMap<>();
    List<String> list = new ArrayList<>();
    for (int item : items) {
      if (!taken(List.of(instance.codes(item)), 1, quotas, counts).isEmpty()) {
        list.add(item + " " + instance.score(instance.codes(item)));
      }
    }
    return list;
  }

  private static Optional<BeamSearch.Pruned> fate(
      Instance instance, int[] target, int width, List<Quota> quotas) {
    List<int[]> beams = List.of(new int[0]);
    for (int level = 0; level < instance.levels(); level++) {
      List<int[]> candidates = instance.candidates(beams, level);
      int[] wanted = Arrays.copyOf(target, level + 1);
      beams = taken(candidates, width, quotas, new HashMap<>());
      if (beams.stream().noneMatch(beam -> Arrays.equals(beam, wanted))) {
        int rank = 0;
        while (!Arrays.equals(candidates.get(rank), wanted)) {
          rank++;
        }
        Map<String, Integer> before = new HashMap<>();
        boolean enough = taken(candidates.subList(0, rank), width, quotas, before).size() == width;
        return Optional.of(
            new BeamSearch.Pruned(level, rank, enough ? 0 : full(wanted, quotas, before)));
      }
    }
    return Optional.empty();
  }
}

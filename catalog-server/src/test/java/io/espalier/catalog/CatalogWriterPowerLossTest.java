package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.bundles.BundleId;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.PowerlessFiles;
import io.espalier.stores.log.RecordLog;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;

/** A writer whose disk forgets, at a loss of power, what was not forced. */
class CatalogWriterPowerLossTest {
  private static final long FIRST = 101;
  private static final int ITEMS = 40;
  private static final BundleId BUNDLE = BundleId.parse("tiger@1");
  private static final int LIVES = 6;

  /** One sequence of changes, over the lives of several writers. */
  private static final class Sequence {
    final long seed;
    final PowerlessFiles files;
    final Map<String, List<Integer>> table = new HashMap<>();
    // How many of its changes the log holds, and how many were sent to any writer.
    long logged;
    long sent;
    // What was acknowledged, by offset.
    final Map<Long, CatalogChange> acknowledged = new HashMap<>();

    Sequence(long seed) {
      this.seed = seed;
      this.files = new PowerlessFiles(new Random(seed));
      Random random = new Random(seed);
      for (int item = 0; item < ITEMS; item += 1 + random.nextInt(2)) {
        table.put("item-" + item, random.ints(3, 0, 4).boxed().toList());
      }
    }

    CatalogChange change(long number) {
      Random random = new Random(seed + 31 * number);
      String id = "item-" + random.nextInt(ITEMS);
      return random.nextInt(4) == 0
          ? new CatalogChange.Removal(id)
          : new CatalogChange.Upsert(item(id, number), Map.of());
    }

    CatalogChange complete(long number) {
      CatalogChange change = change(number);
      List<Integer> codes = table.get(change.id());
      return change instanceof CatalogChange.Upsert upsert && codes != null
          ? new CatalogChange.Upsert(upsert.item(), Map.of(BUNDLE, codes))
          : change;
    }

    /** A writer lives until the power goes. */
    void live(Random random) throws InterruptedException {
      sent = logged;
      CatalogWriter writer;
      try {
        writer =
            CatalogWriter.start(
                files.openLog(FIRST), Map.of(BUNDLE, new ItemCoder(table, null)), Optional::empty);
      } catch (PowerlessFiles.PowerCut e) {
        return;
      }
      try {
        while (true) {
          List<CompletableFuture<CatalogWriter.Accepted>> answers = new ArrayList<>();
          for (int n = 1 + random.nextInt(8); n > 0; n--) {
            answers.add(writer.submit(change(++sent)));
          }
          for (CompletableFuture<CatalogWriter.Accepted> answer : answers) {
            CatalogWriter.Accepted accepted = answer.join();
            acknowledged.put(accepted.offset(), accepted.change());
          }
        }
      } catch (CompletionException e) {
        // The power went: nothing more is acknowledged.
      } finally {
        writer.close();
      }
    }

    void check() {
      try (RecordLog log = files.openLog(FIRST)) {
        long number = 0;
        while (FIRST + number <= log.end()) {
          for (LogRecord record : log.read(FIRST + number, 1 << 12)) {
            number++;
            assertThat(record.offset()).isEqualTo(FIRST + number - 1);
            assertThat(ChangeMessages.read(CatalogWriter.message(record)))
                .as("seed %d, change %d", seed, number)
                .isEqualTo(complete(number));
          }
        }
        assertThat(number).as("seed %d", seed).isBetween(logged, sent);
        logged = number;
        acknowledged.forEach(
            (offset, change) -> {
              assertThat(offset).as("seed %d", seed).isLessThanOrEqualTo(log.end());
              assertThat(change).isEqualTo(complete(offset - FIRST + 1));
            });
      }
    }
  }

  @Test
  void submit_powerIsCutAnywhere_losesNoAcknowledgedChangeAndHalvesNone() throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    int cuts = 0;
    long acknowledged = 0;
    for (int round = 0; cuts < 1000; round++) {
      Random random = new Random(seed + round);
      Sequence sequence = new Sequence(seed + round);
      for (int life = 0; life < LIVES; life++, cuts++) {
        sequence.files.cutAfter(1 + random.nextInt(120));
        sequence.live(random);
        sequence.files.restore();
        sequence.check();
      }
      acknowledged += sequence.acknowledged.size();
    }
    assertThat(acknowledged).isGreaterThan(1000);
  }

  private static CatalogItem item(String id, long number) {
    return new CatalogItem(
        id,
        "change " + number,
        "brand",
        List.of("a", "b"),
        "text ".repeat((int) (number % 60)),
        OptionalDouble.of((double) number),
        Map.of(),
        "",
        OptionalLong.empty());
  }
}

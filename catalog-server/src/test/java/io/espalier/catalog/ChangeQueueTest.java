package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.catalog.ChangeQueue.Waiting;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class ChangeQueueTest {
  private static final int MOST = 6;
  private static final int MOST_BYTES = 100;

  /** What is let in and taken out is what a plain list with both bounds says. */
  @Test
  void offerAndTake_randomSizes_keepOrderAndBothBounds() throws Exception {
    Random random = new Random(31);
    ChangeQueue queue = new ChangeQueue(MOST, MOST_BYTES);
    ArrayDeque<Waiting> model = new ArrayDeque<>();
    int refused = 0;
    for (int step = 0; step < 100_000; step++) {
      switch (random.nextInt(5)) {
        case 0 -> {
          int atMost = 1 + random.nextInt(4);
          int within = random.nextInt(MOST_BYTES);
          List<Waiting> taken = queue.take(atMost, within, Duration.ZERO);
          assertThat(taken).hasSizeLessThanOrEqualTo(atMost);
          assertThat(taken.size() <= 1 || bytes(taken) <= within).isTrue();
          boolean more =
              taken.size() < Math.min(atMost, model.size())
                  && bytes(taken) + model.stream().skip(taken.size()).findFirst().get().bytes()
                      <= within;
          assertThat(more || (taken.isEmpty() && !model.isEmpty())).isFalse();
          taken.forEach(change -> assertThat(change).isSameAs(model.remove()));
        }
        case 1 -> {
          Waiting change = random.nextInt(4) == 0 ? model.peekLast() : null;
          if (change != null) {
            assertThat(queue.remove(change)).isTrue();
            assertThat(queue.remove(change)).isFalse();
            model.removeLast();
          }
        }
        case 2 -> {
          if (random.nextInt(50) == 0) {
            assertThat(queue.takeAll()).containsExactlyElementsOf(model);
            model.clear();
          }
        }
        default -> {
          // Now and then one that is larger than all may be.
          Waiting change = waiting(random.nextInt(random.nextInt(10) == 0 ? 150 : 40));
          boolean room =
              model.isEmpty()
                  || (model.size() < MOST
                      && bytes(new ArrayList<>(model)) + change.bytes() <= MOST_BYTES);
          assertThat(queue.offer(change, Duration.ZERO)).isEqualTo(room);
          if (room) {
            model.add(change);
          } else {
            refused++;
          }
        }
      }
      assertThat(queue.isEmpty()).isEqualTo(model.isEmpty());
    }
    assertThat(refused).isGreaterThan(1000);
  }

  @Test
  void offer_noRoom_waitsUntilSomethingIsTaken() throws Exception {
    ChangeQueue queue = new ChangeQueue(MOST, MOST_BYTES);
    Waiting first = waiting(MOST_BYTES);
    Waiting second = waiting(1);
    assertThat(queue.offer(first, Duration.ZERO)).isTrue();
    CompletableFuture<Boolean> offered =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return queue.offer(second, Duration.ofDays(1));
              } catch (InterruptedException e) {
                return false;
              }
            });

    assertThat(queue.take(MOST, MOST_BYTES, Duration.ofDays(1))).containsExactly(first);

    assertThat(offered.get()).isTrue();
    assertThat(queue.take(MOST, MOST_BYTES, Duration.ofDays(1))).containsExactly(second);
  }

  private static int bytes(List<Waiting> changes) {
    return changes.stream().mapToInt(Waiting::bytes).sum();
  }

  private static Waiting waiting(int bytes) {
    return new Waiting(new CatalogChange.Removal("x"), bytes, new CompletableFuture<>());
  }
}

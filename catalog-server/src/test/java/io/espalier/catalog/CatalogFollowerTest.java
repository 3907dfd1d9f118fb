package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.FollowRequest;
import io.espalier.catalog.v1.FollowResponse;
import io.espalier.testing.ServedStage;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A follower of a writer that says what a test makes it say. */
class CatalogFollowerTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  // Longer than any test.
  private static final Duration NEVER = Duration.ofHours(1);
  private static final CatalogFollower.Silence UNHEARD = new CatalogFollower.Silence(NEVER, NEVER);

  private final FakeWriter writer = new FakeWriter();
  private final Followed followed = new Followed();
  private ServedStage stage;
  private @Nullable CatalogFollower follower;

  /**
   * Says that it is alive, every few milliseconds, unless it is frozen; ends calls when told to.
   */
  private static final class FakeWriter extends CatalogServiceGrpc.CatalogServiceImplBase {
    final List<Long> asked = new CopyOnWriteArrayList<>();
    volatile boolean frozen;
    // How many changes a call brings before it is cut; 0 for calls that last.
    volatile int cutAfter;
    volatile long end;
    volatile Runnable called = () -> {};

    @Override
    public void follow(FollowRequest request, StreamObserver<FollowResponse> responses) {
      called.run();
      long after = request.getAfterOffset();
      asked.add(after);
      int brought = 0;
      try {
        while (!Context.current().isCancelled()) {
          if (!frozen) {
            FollowResponse.Builder response = FollowResponse.newBuilder().setEndOffset(end);
            if (after < end) {
              response.addChanges(Change.newBuilder().setOffset(++after).setRemove("item"));
              brought++;
            }
            responses.onNext(response.build());
            if (cutAfter > 0 && brought == cutAfter) {
              responses.onError(Status.UNAVAILABLE.asException());
              return;
            }
          }
          Thread.sleep(2);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** Remembers what it was told, and may be made to wait. */
  private static final class Followed implements CatalogFollower.Listener {
    final List<Long> offsets = new CopyOnWriteArrayList<>();
    volatile CountDownLatch mayGoOn = new CountDownLatch(0);
    final AtomicInteger errors = new AtomicInteger();

    @Override
    public void changed(List<LoggedChange> changes) {
      if (errors.getAndDecrement() > 0) {
        throw new OutOfMemoryError("as it happens");
      }
      changes.forEach(change -> offsets.add(change.offset()));
      try {
        mayGoOn.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    @Override
    public void published(long offset) {}

    @Override
    public Optional<LogPlace> restart(long least) {
      return Optional.empty();
    }
  }

  @BeforeEach
  void serve() throws IOException {
    stage = ServedStage.of("catalog", writer);
  }

  @AfterEach
  void close() {
    if (follower != null) {
      follower.close();
    }
    stage.close();
  }

  private CatalogFollower follow(CatalogFollower.Silence silence) {
    CatalogFollower started =
        CatalogFollower.start(stage.channel(), LogPlace.beginning(0), followed, silence);
    follower = started;
    return started;
  }

  private static void eventually(BooleanSupplier holds) {
    await().atMost(PATIENCE).pollInterval(Duration.ofMillis(1)).until(holds::getAsBoolean);
  }

  @Test
  void isWithin_writerFreezes_isFalseUntilItThaws() {
    CatalogFollower started =
        follow(new CatalogFollower.Silence(Duration.ofMillis(500), Duration.ofSeconds(1)));
    eventually(() -> started.isWithin(0));

    writer.frozen = true;
    eventually(() -> !started.isWithin(0));
    // It asks again, since nothing tells it that the writer will thaw.
    int asked = writer.asked.size();
    eventually(() -> writer.asked.size() > asked);
    assertThat(started.isWithin(0)).isFalse();

    writer.frozen = false;
    eventually(() -> started.isWithin(0));
  }

  @Test
  void isWithin_callsAreCutAgainAndAgain_staysTrueAndNothingIsMissed() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    writer.end = 100;
    writer.cutAfter = 5 + random.nextInt(10);
    List<Boolean> within = new CopyOnWriteArrayList<>();
    CatalogFollower started = follow(UNHEARD);
    writer.called =
        () -> {
          if (started.lag() >= 0) {
            within.add(started.isWithin(100));
          }
        };
    eventually(() -> followed.offsets.size() == 100);

    // At the moment of each new call the one before is lost.
    assertThat(within).as("seed %d", seed).hasSizeGreaterThan(5).doesNotContain(false);
    assertThat(followed.offsets).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void follow_listenerRunsOutOfMemory_comesBack() {
    writer.end = 5;
    followed.errors.set(2);

    CatalogFollower started = follow(UNHEARD);

    eventually(() -> started.isWithin(0));
    assertThat(followed.offsets).containsExactly(1L, 2L, 3L, 4L, 5L);
  }

  @Test
  void isWithin_listenerTakesItsTime_isNoSilence() throws InterruptedException {
    CatalogFollower started = follow(new CatalogFollower.Silence(Duration.ofMillis(500), NEVER));
    eventually(() -> started.isWithin(10));
    followed.mayGoOn = new CountDownLatch(1);
    writer.end = 1;
    eventually(() -> followed.offsets.size() == 1);

    long until = System.nanoTime() + Duration.ofSeconds(1).toNanos();
    List<Boolean> within = new ArrayList<>();
    while (System.nanoTime() < until) {
      within.add(started.isWithin(10));
      Thread.sleep(5);
    }
    followed.mayGoOn.countDown();

    assertThat(within).doesNotContain(false);
    eventually(() -> started.isWithin(0));
  }
}

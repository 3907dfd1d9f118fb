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
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.data.LongPointData;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
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
    volatile long sent;
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
              sent = after;
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
  void lag_writerFreezes_isUnknownUntilItThaws() {
    CatalogFollower started =
        follow(new CatalogFollower.Silence(Duration.ofMillis(500), Duration.ofSeconds(1)));
    eventually(() -> started.lag() == 0);

    writer.frozen = true;
    eventually(() -> started.lag() == -1);
    // It asks again, since nothing tells it that the writer will thaw.
    int asked = writer.asked.size();
    eventually(() -> writer.asked.size() > asked);
    assertThat(started.lag()).isEqualTo(-1);
    assertThat(started.hasBeenWithin(0)).isTrue();

    writer.frozen = false;
    eventually(() -> started.lag() == 0);
  }

  /** What an alert sees, for a writer that went away. */
  @Test
  void observe_writerFreezes_theGaugeSaysThatNothingIsHeard() {
    InMemoryMetricReader reader = InMemoryMetricReader.create();
    try (SdkMeterProvider meters =
        SdkMeterProvider.builder().registerMetricReader(reader).build()) {
      CatalogFollower started =
          follow(new CatalogFollower.Silence(Duration.ofMillis(500), Duration.ofSeconds(1)));
      started.observe(meters.get("test"), "router");
      eventually(() -> gauge(reader) == 0);

      writer.frozen = true;

      eventually(() -> gauge(reader) == -1);
    }
  }

  private static long gauge(InMemoryMetricReader reader) {
    return reader.collectAllMetrics().stream()
        .filter(metric -> metric.getName().equals("espalier.catalog.lag"))
        .flatMap(metric -> metric.getLongGaugeData().getPoints().stream())
        .mapToLong(LongPointData::getValue)
        .findAny()
        .orElse(Long.MIN_VALUE);
  }

  @Test
  void lag_callsAreCutAgainAndAgain_staysKnownAndNothingIsMissed() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    writer.end = 100;
    writer.cutAfter = 5 + random.nextInt(10);
    List<Long> lags = new CopyOnWriteArrayList<>();
    CatalogFollower started = follow(UNHEARD);
    writer.called = () -> lags.add(started.lag());
    eventually(() -> followed.offsets.size() == 100);

    // At the moment of each new call the one before is lost.
    assertThat(lags).as("seed %d", seed).hasSizeGreaterThan(5);
    assertThat(lags.subList(1, lags.size()))
        .as("seed %d", seed)
        .allSatisfy(lag -> assertThat(lag).isBetween(0L, 100L));
    assertThat(followed.offsets).isSorted().doesNotHaveDuplicates();
  }

  @Test
  void follow_listenerRunsOutOfMemory_comesBack() {
    writer.end = 5;
    followed.errors.set(2);

    CatalogFollower started = follow(UNHEARD);

    eventually(() -> started.lag() == 0);
    assertThat(followed.offsets).containsExactly(1L, 2L, 3L, 4L, 5L);
  }

  @Test
  void lag_listenerTakesItsTime_isNoSilence() throws InterruptedException {
    CatalogFollower started = follow(new CatalogFollower.Silence(Duration.ofMillis(500), NEVER));
    eventually(() -> started.lag() == 0);
    followed.mayGoOn = new CountDownLatch(1);
    writer.end = 1;
    eventually(() -> followed.offsets.size() == 1);

    long until = System.nanoTime() + Duration.ofSeconds(1).toNanos();
    List<Long> lags = new ArrayList<>();
    while (System.nanoTime() < until) {
      lags.add(started.lag());
      Thread.sleep(5);
    }
    followed.mayGoOn.countDown();

    assertThat(lags).containsOnly(1L);
    eventually(() -> started.lag() == 0);
  }

  /** A start waits for the log; a lag that comes later is told and takes nothing away. */
  @Test
  void hasBeenWithin_startIsBehindAndLaterAgain_holdsFromTheFirstTimeOn() {
    writer.end = 1_000_000;
    CatalogFollower started = follow(UNHEARD);
    eventually(() -> started.lag() > 0);
    assertThat(started.hasBeenWithin(10)).isFalse();

    writer.end = writer.sent + 5;
    eventually(() -> started.hasBeenWithin(10));

    writer.end = 1_000_000;
    eventually(() -> started.lag() > 10);
    assertThat(started.hasBeenWithin(10)).isTrue();
  }

  @Test
  void hasBeenWithin_writerHasNeverSpoken_isFalse() {
    writer.frozen = true;
    CatalogFollower started =
        follow(new CatalogFollower.Silence(Duration.ofMillis(100), Duration.ofMillis(200)));
    eventually(() -> writer.asked.size() > 2);

    assertThat(started.hasBeenWithin(Long.MAX_VALUE - 1)).isFalse();
    assertThat(started.lag()).isEqualTo(-1);
  }
}

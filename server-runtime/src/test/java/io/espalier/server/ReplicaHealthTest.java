package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Ticker;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ReplicaHealthTest {
  // Close to where nanoTime turns over.
  private final AtomicLong now = new AtomicLong(Long.MAX_VALUE - 1_000_000);
  private final ReplicaHealth health =
      new ReplicaHealth(
          new Ticker() {
            @Override
            public long read() {
              return now.get();
            }
          });

  private boolean fail() {
    health.started();
    return health.failed();
  }

  private void pass(long millis) {
    now.addAndGet(TimeUnit.MILLISECONDS.toNanos(millis));
  }

  @Test
  void failed_once_isTrustedStill() {
    assertThat(fail()).isFalse();
    assertThat(health.paused()).isFalse();
  }

  @Test
  void failed_twiceInARow_isLeftAloneAndSaidSoOnce() {
    fail();
    assertThat(fail()).isTrue();
    assertThat(fail()).isFalse();
    assertThat(health.paused()).isTrue();
    assertThat(health.wantsTry()).isFalse();
  }

  @Test
  void failed_withAnAnswerBetween_isTrustedStill() {
    for (int i = 0; i < 100; i++) {
      fail();
      health.started();
      health.answered();
    }
    assertThat(health.paused()).isFalse();
  }

  @Test
  void wantsTry_afterThePause_isToldToOneAndDoublesIt() {
    fail();
    fail();
    pass(250);
    assertThat(health.wantsTry()).isTrue();
    assertThat(health.wantsTry()).isFalse();
    pass(499);
    assertThat(health.wantsTry()).isFalse();
    pass(1);
    assertThat(health.wantsTry()).isTrue();
  }

  @Test
  void wantsTry_howeverManyTries_comesEveryFiveSeconds() {
    fail();
    fail();
    for (int i = 0; i < 100; i++) {
      pass(5_000);
      assertThat(health.wantsTry()).isTrue();
    }
  }

  @Test
  void answered_afterATry_endsThePause() {
    fail();
    fail();
    pass(250);
    assertThat(health.wantsTry()).isTrue();
    health.started();
    health.answered();
    assertThat(health.paused()).isFalse();
    assertThat(fail()).isFalse();
  }

  @Test
  void underWay_afterEveryKindOfEnd_isNone() {
    health.started();
    health.answered();
    health.started();
    health.left();
    fail();
    fail();
    fail();
    assertThat(health.underWay()).isZero();
  }
}

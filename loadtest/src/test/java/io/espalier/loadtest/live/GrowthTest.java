package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.process.Footprint;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;

class GrowthTest {
  private static final double MOST = .01;

  private static Growth of(IntFunction<Footprint> reading) {
    Growth growth = new Growth();
    for (int i = 0; i < 100; i++) {
      growth.add(reading.apply(i));
    }
    return growth;
  }

  @Test
  void holds_memoryThatGoesUpAndDown_isNoGrowth() {
    Growth growth = of(i -> new Footprint(1000 + 100 * (i % 2), 500, 20, 40, 30 + i % 3));

    assertThat(growth.resident().share()).isZero();
    assertThat(growth.holds(MOST)).isTrue();
  }

  @Test
  void holds_memoryThatGrowsALittleEachTime_doesNot() {
    Growth growth = of(i -> new Footprint(10_000 + 2 * i, 500, 20, 40, 30));

    assertThat(growth.resident()).isEqualTo(new Growth.Change(10_020, 10_180));
    assertThat(growth.holds(MOST)).isFalse();
  }

  @Test
  void holds_oneDescriptorLeftBehind_doesNot() {
    assertThat(of(i -> new Footprint(1000, 500, 20, i < 50 ? 40 : 41, 30)).holds(MOST)).isFalse();
  }

  @Test
  void holds_oneThreadOrMappingForAWhile_does() {
    Growth growth =
        of(i -> new Footprint(1000, 500, i % 10 == 0 ? 20 : 25, 40, i % 10 == 5 ? 30 : 90));

    assertThat(growth.holds(MOST)).isTrue();
  }

  @Test
  void holds_memoryThatCouldNotBeRead_doesNot() {
    assertThat(of(i -> new Footprint(1000, 0, 20, 40, 30)).holds(MOST)).isFalse();
    Growth once = of(i -> new Footprint(1000, i == 50 ? 0 : 500, 20, 40, 30));
    assertThat(once.unread()).isOne();
    assertThat(once.holds(MOST)).isFalse();
  }
}

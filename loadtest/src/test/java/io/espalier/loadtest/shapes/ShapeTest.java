package io.espalier.loadtest.shapes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.espalier.loadtest.driver.NamedFiles;
import io.espalier.server.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShapeTest {
  private static final Path SHIPPED =
      Path.of(System.getProperty("espalier.root"), "loadtest", "shapes");
  private static final Duration MINUTE = Duration.ofMinutes(1);

  @TempDir private Path folder = Path.of("");

  private Shape read(String yaml) throws IOException {
    Files.writeString(folder.resolve("one.yaml"), yaml);
    return Shape.read(folder, "one");
  }

  @Test
  void read_everyShippedShape_isOneWhoseRateStaysWithinItsHighest() {
    List<String> names = new NamedFiles(SHIPPED).names();
    assertThat(names).containsExactly("burst", "cold", "diurnal", "hot-user", "steady");
    for (String name : names) {
      Shape shape = Shape.read(SHIPPED, name);
      double highest =
          IntStream.rangeClosed(0, 6000)
              .mapToDouble(i -> shape.times(i / 100., MINUTE))
              .max()
              .orElseThrow();
      assertThat(highest).as(name).isEqualTo(shape.most());
    }
    assertThat(Shape.read(SHIPPED, "steady")).isEqualTo(Shape.steady());
  }

  @Test
  void times_burst_jumpsAtTheEndOfEachStretch() throws IOException {
    Shape shape = read("{what: w, rate: .5, burst: {times: 4, length: 5s, every: 20s}}");
    for (double at : new double[] {0, 14.9, 20, 34.9, 40}) {
      assertThat(shape.times(at, MINUTE)).as("%s s", at).isEqualTo(.5);
    }
    for (double at : new double[] {15, 19.9, 35, 55}) {
      assertThat(shape.times(at, MINUTE)).as("%s s", at).isEqualTo(2);
    }
    assertThat(shape.most()).isEqualTo(2);
  }

  @Test
  void times_burstThatIsALull_isNeverMoreThanTheRate() throws IOException {
    Shape shape = read("{what: w, burst: {times: .1, length: 5s, every: 20s}}");
    assertThat(shape.times(16, MINUTE)).isEqualTo(.1);
    assertThat(shape.most()).isEqualTo(1);
  }

  @Test
  void times_day_isLinearBetweenItsRatesAndEndsAsItBegan() throws IOException {
    Shape shape = read("{what: w, day: [1, 2, .5]}");
    assertThat(shape.times(0, MINUTE)).isEqualTo(1);
    assertThat(shape.times(10, MINUTE)).isCloseTo(1.5, within(1e-9));
    assertThat(shape.times(20, MINUTE)).isCloseTo(2, within(1e-9));
    assertThat(shape.times(50, MINUTE)).isCloseTo(.75, within(1e-9));
    assertThat(shape.times(60, MINUTE)).isEqualTo(1);
    assertThat(shape.times(60, Duration.ofMinutes(6))).isCloseTo(1.5, within(1e-9));
  }

  @Test
  void times_daysOfAnyRates_areNeverAboveTheHighest() throws IOException {
    long seed = new Random().nextLong();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    for (int day = 0; day < 100; day++) {
      double rate = random.nextDouble(.01, 100);
      Shape shape = read("{what: w, day: [%1$s, %1$s, %1$s]}".formatted(rate));
      for (int i = 0; i < 1000; i++) {
        assertThat(shape.times(random.nextDouble(60), MINUTE)).isLessThanOrEqualTo(shape.most());
      }
    }
  }

  @Test
  void asked_hotUser_isThatShareAndTheSameEachTime() throws IOException {
    Shape shape = read("{what: w, hot_user: .3}");
    List<Asked> asked = IntStream.range(0, 10_000).mapToObj(shape::asked).toList();
    assertThat(asked).containsOnly(Asked.HOT_USER, Asked.USUAL);
    assertThat(Collections.frequency(asked, Asked.HOT_USER)).isBetween(2_700, 3_300);
    assertThat(IntStream.range(0, 10_000).mapToObj(shape::asked).toList()).isEqualTo(asked);
  }

  @Test
  void asked_coldOrNeither_isUnseenOrUsual() throws IOException {
    Shape cold = read("{what: w, cold: true}");
    assertThat(IntStream.range(0, 100)).allMatch(n -> cold.asked(n) == Asked.UNSEEN);
    assertThat(IntStream.range(0, 100)).allMatch(n -> Shape.steady().asked(n) == Asked.USUAL);
  }

  @Test
  void read_mistakes_areNamed() {
    assertThatThrownBy(() -> read("{rate: 1}"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("what: empty (expected: the load, in a few words)");
    assertThatThrownBy(() -> read("{what: w, hot_users: .3}"))
        .hasMessageContaining("one.yaml: hot_users: unknown key (nearest known key: hot_user)");
    assertThatThrownBy(() -> read("{what: w, rate: 0}"))
        .hasMessageContaining("rate: 0.0 (expected: > 0, at most 100)");
    assertThatThrownBy(() -> read("{what: w, rate: 200}"))
        .hasMessageContaining("rate: 200.0 (expected: > 0, at most 100)");
    assertThatThrownBy(() -> read("{what: w, burst: {times: 3, length: 5s}}"))
        .hasMessageContaining("every: PT0S (expected: longer than length, PT5S)");
    assertThatThrownBy(() -> read("{what: w, burst: {times: 3, every: 5s}}"))
        .hasMessageContaining("length: PT0S (expected: > 0)");
    assertThatThrownBy(() -> read("{what: w, burst: {times: 3, factor: 2, length: 5s, every: 9s}}"))
        .hasMessageContaining("burst.factor: unknown key");
    assertThatThrownBy(() -> read("{what: w, day: [1]}"))
        .hasMessageContaining("day: [1.0] (expected: two rates or more)");
    assertThatThrownBy(() -> read("{what: w, day: [1, -1]}"))
        .hasMessageContaining("day[1]: -1.0 (expected: > 0");
    assertThatThrownBy(
            () -> read("{what: w, day: [1, 2], burst: {times: 3, length: 5s, every: 9s}}"))
        .hasMessageContaining("burst and day: both (expected: one of them, or none)");
    assertThatThrownBy(() -> read("{what: w, hot_user: 1.5}"))
        .hasMessageContaining("hot_user: 1.5 (expected: 0..1)");
    assertThatThrownBy(() -> read("{what: w, hot_user: .5, cold: true}"))
        .hasMessageContaining("hot_user and cold: both (expected: one of them)");
    assertThatThrownBy(() -> Shape.read(folder, "two"))
        .hasMessageContaining("shape: two (expected: one of");
  }
}

package io.espalier.loadtest.shapes;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.shapes.Shape.Burst;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;

@EnabledIf(
    value = "io.espalier.loadtest.shapes.ReportPage#canBeDrawn",
    disabledReason = "no fonts to draw with: Debian has some in fontconfig and fonts-dejavu-core")
class ChartsTest {
  private static final Duration SLO = Duration.ofMillis(100);
  private static final Shape BURST =
      new Shape(
          "w", 1, new Burst(3, Duration.ofSeconds(5), Duration.ofSeconds(10)), List.of(), 0, false);

  private final Charts charts = new Charts(SLO);

  private static XYSeries series(XYChart chart, String name) {
    return requireNonNull(chart.getSeriesMap().get(name), name);
  }

  private static double[] up(XYChart chart, String series) {
    return series(chart, series).getYData();
  }

  /** Of the seconds; the last stands twice, so that its step has an end. */
  private static double sum(XYChart chart, String series) {
    double[] values = up(chart, series);
    return Arrays.stream(values, 0, values.length - 1).sum();
  }

  @Test
  void rate_burst_plannedAndDueJumpTogether() {
    ShapeRun run = ReportPageTest.run("burst", BURST, 0);
    XYChart chart = charts.rate(run);

    assertThat(up(chart, "planned")[40]).isEqualTo(50);
    assertThat(up(chart, "planned")[60]).isEqualTo(150);
    double[] due = up(chart, "due");
    assertThat(due).hasSize(21);
    // Five seconds of 50 and of 150 requests on average, with six standard deviations.
    assertThat(Arrays.stream(due, 0, 5).sum()).isCloseTo(250, within(95.));
    assertThat(Arrays.stream(due, 5, 10).sum()).isCloseTo(750, within(165.));
    assertThat(sum(chart, "due")).isEqualTo(run.requests().size());
    assertThat(sum(chart, "good")).isEqualTo((double) run.requests().good(SLO));
  }

  @Test
  void bad_someRefused_eachIsInItsSecond() {
    ShapeRun run = ReportPageTest.run("steady", Shape.steady(), 0);
    XYChart chart = charts.bad(run);

    assertThat(sum(chart, "refused")).isEqualTo(run.requests().count(Outcome.REFUSED));
    assertThat(up(chart, "failed")).containsOnly(0);
    assertThat(up(chart, "degraded")).containsOnly(0);
  }

  @Test
  void latencyAndLag_bySecond_areInMilliseconds() {
    ShapeRun run = ReportPageTest.run("steady", Shape.steady(), 500_000);

    assertThat(up(charts.latency(run), "p50")[3]).isCloseTo(10.5, within(.1));
    assertThat(up(charts.latency(run), "p99")[3]).isCloseTo(200.5, within(.5));
    assertThat(up(charts.latency(run), "objective")).containsOnly(100);
    assertThat(up(charts.lag(run), "lag, p99")[3]).isCloseTo(.5, within(.01));
  }

  @Test
  void latency_aSecondWithoutRequests_isAGap() {
    long[] planned = {0, 2_500_000_000L};
    long[] done = {1_000_000, 2_504_000_000L};
    Outcome[] outcomes = {Outcome.OK, Outcome.OK};
    Requests requests = new Requests(planned, planned.clone(), done, outcomes, 0);
    XYChart chart =
        charts.latency(new ShapeRun("steady", Shape.steady(), 1, Duration.ofSeconds(3), requests));

    assertThat(up(chart, "p50")[0]).isCloseTo(1, within(.01));
    assertThat(up(chart, "p50")[1]).isNaN();
    assertThat(up(chart, "p50")[2]).isCloseTo(4, within(.01));
  }

  @Test
  void distributions_curve_risesFromTheLeastToWhereOneOfAllIsSlower() {
    ShapeRun run = ReportPageTest.run("steady", Shape.steady(), 0);
    XYChart chart = charts.distributions(List.of(run));

    double[] oneIn = series(chart, "steady").getXData();
    double[] millis = up(chart, "steady");
    assertThat(oneIn).isSorted();
    assertThat(millis).isSorted();
    assertThat(oneIn[0]).isEqualTo(1);
    assertThat(oneIn[oneIn.length - 1]).isBetween(100., (double) run.requests().size());
    for (int i = 0; i < oneIn.length; i++) {
      // One in ten takes 200 ms, the others 10.
      if (oneIn[i] < 9 || oneIn[i] > 11) {
        assertThat(millis[i]).isCloseTo(oneIn[i] < 9 ? 10 : 200, within(1.));
      }
    }
  }
}

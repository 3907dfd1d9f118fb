package io.espalier.loadtest.shapes;

import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Requests;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Plots of what became of runs. */
final class Charts {
  private static final int WIDTH = 560;
  private static final int HEIGHT = 300;
  private static final Color GREY = new Color(0x999999);
  private static final Color BLUE = new Color(0x1f77b4);
  private static final Color GREEN = new Color(0x2ca02c);
  private static final Color ORANGE = new Color(0xff7f0e);
  private static final Color RED = new Color(0xd62728);
  private static final Color PURPLE = new Color(0x9467bd);
  private static final Color[] COLOURS = {
    BLUE, ORANGE, GREEN, RED, PURPLE, new Color(0x8c564b), new Color(0xe377c2), new Color(0x17becf)
  };
  private static final double NANOS_A_MILLI = 1e6;
  private static final double LEAST_MILLIS = .001;
  private static final double POINTS_A_DECADE = 20;
  private static final float LINE = 1.5f;
  private static final int PLANNED_A_SECOND = 10;

  private final Duration slo;

  /**
   * Plots.
   *
   * @param slo what a full answer must take to count as good
   */
  Charts(Duration slo) {
    this.slo = slo;
  }

  /** Requests that were due, that should have been, and good answers, by second. */
  XYChart rate(ShapeRun run) {
    XYChart chart = bySecond(run, "requests/s");
    double seconds = run.length().toMillis() / 1e3;
    double[] times =
        IntStream.range(0, (int) (seconds * PLANNED_A_SECOND))
            .mapToDouble(i -> i / (double) PLANNED_A_SECOND)
            .toArray();
    line(chart, "planned", GREY, times, DoubleStream.of(times).map(run::planned).toArray());
    steps(chart, "due", BLUE, run, Requests::size);
    steps(chart, "good", GREEN, run, second -> second.good(slo));
    chart.getStyler().setYAxisMin(0.);
    return chart;
  }

  /** Latencies of answers by second. */
  XYChart latency(ShapeRun run) {
    XYChart chart = bySecond(run, "ms from when due");
    steps(chart, "p50", BLUE, run, second -> millis(second.answered(), .5));
    steps(chart, "p99", RED, run, second -> millis(second.answered(), .99));
    double objective = slo.toNanos() / NANOS_A_MILLI;
    double end = run.length().toMillis() / 1e3;
    line(chart, "objective", GREY, new double[] {0, end}, new double[] {objective, objective});
    logarithmic(chart);
    return chart;
  }

  /** Answers that were not whole, by second. */
  XYChart bad(ShapeRun run) {
    XYChart chart = bySecond(run, "requests/s");
    steps(chart, "degraded", ORANGE, run, second -> second.count(Outcome.DEGRADED));
    steps(chart, "refused", PURPLE, run, second -> second.count(Outcome.REFUSED));
    steps(chart, "failed", RED, run, second -> second.count(Outcome.FAILED));
    chart.getStyler().setYAxisMin(0.);
    if (run.requests().badShare() == 0) {
      chart.getStyler().setYAxisMax(1.);
    }
    return chart;
  }

  /** How late the driver was, by second. */
  XYChart lag(ShapeRun run) {
    XYChart chart = bySecond(run, "ms late");
    steps(chart, "lag, p50", BLUE, run, second -> millis(second.sendLag(), .5));
    steps(chart, "lag, p99", RED, run, second -> millis(second.sendLag(), .99));
    double most = Requests.MOST_SEND_LAG.toNanos() / NANOS_A_MILLI;
    double end = run.length().toMillis() / 1e3;
    line(chart, "void above, of the run", GREY, new double[] {0, end}, new double[] {most, most});
    logarithmic(chart);
    return chart;
  }

  /** Latencies of each run's answers by percentile. */
  XYChart distributions(List<ShapeRun> runs) {
    XYChart chart = chart("one in so many is slower (100: p99)", "ms from when due");
    for (ShapeRun run : runs) {
      Latencies latencies = run.requests().answered();
      // Up to where one of all is slower.
      int points =
          1 + (int) (POINTS_A_DECADE * Math.log10((double) Math.max(2, latencies.count())));
      double[] oneIn =
          IntStream.range(0, points)
              .mapToDouble(point -> Math.pow(10, point / POINTS_A_DECADE))
              .toArray();
      double[] millis =
          DoubleStream.of(oneIn).map(many -> millis(latencies, 1 - 1 / many)).toArray();
      Color colour = COLOURS[chart.getSeriesMap().size() % COLOURS.length];
      line(chart, run.name(), colour, oneIn, millis);
    }
    chart.getStyler().setXAxisLogarithmic(true).setXAxisMin(1.);
    logarithmic(chart);
    return chart;
  }

  private static double millis(Latencies latencies, double quantile) {
    return latencies.count() == 0 ? Double.NaN : millis(latencies.quantile(quantile));
  }

  private static double millis(long nanos) {
    // Logarithmic axes have no place for 0.
    return Math.max(LEAST_MILLIS, nanos / NANOS_A_MILLI);
  }

  private static XYChart bySecond(ShapeRun run, String what) {
    XYChart chart = chart("seconds", what);
    chart.getStyler().setXAxisMin(0.).setXAxisMax(run.length().toMillis() / 1e3);
    return chart;
  }

  private static XYChart chart(String across, String up) {
    XYChart chart = new XYChart(WIDTH, HEIGHT);
    chart.setXAxisTitle(across);
    chart.setYAxisTitle(up);
    Font font = new Font(Font.SANS_SERIF, Font.PLAIN, 12);
    chart
        .getStyler()
        .setAxisTitleFont(font)
        .setAxisTickLabelsFont(font)
        .setYAxisDecimalPattern("0.###")
        .setPlotGridLinesColor(new Color(0xe0e0e0))
        .setLocale(Locale.ROOT)
        .setBaseFont(font)
        .setLegendFont(font)
        .setChartTitleVisible(false)
        .setChartBackgroundColor(Color.WHITE)
        .setPlotBorderVisible(false)
        .setLegendBorderColor(Color.WHITE)
        .setLegendPosition(LegendPosition.OutsideS)
        .setLegendLayout(LegendLayout.Horizontal);
    return chart;
  }

  private static void logarithmic(XYChart chart) {
    OptionalDouble least = values(chart).filter(value -> value > 0).min();
    OptionalDouble most = values(chart).max();
    // Whole decades: an axis has no labels else.
    double low = Math.pow(10, Math.floor(Math.log10(least.orElse(1))));
    double high = Math.pow(10, Math.ceil(Math.log10(most.orElse(1))));
    chart
        .getStyler()
        .setYAxisLogarithmic(true)
        .setYAxisMin(low)
        .setYAxisMax(Math.max(high, 10 * low));
  }

  private static DoubleStream values(XYChart chart) {
    return chart.getSeriesMap().values().stream()
        .flatMapToDouble(series -> DoubleStream.of(series.getYData()))
        .filter(value -> !Double.isNaN(value));
  }

  private static void steps(
      XYChart chart, String name, Color colour, ShapeRun run, ToDoubleFunction<Requests> value) {
    List<Requests> seconds = run.requests().bySecond();
    // A step holds until the next: the last one until its second is over.
    double[] at = new double[seconds.size() + 1];
    double[] values = new double[at.length];
    for (int i = 0; i < at.length; i++) {
      at[i] = i;
      values[i] = value.applyAsDouble(seconds.get(Math.min(i, seconds.size() - 1)));
    }
    XYSeries series = line(chart, name, colour, at, values);
    series.setXYSeriesRenderStyle(XYSeriesRenderStyle.Step);
  }

  private static XYSeries line(
      XYChart chart, String name, Color colour, double[] across, double[] up) {
    XYSeries series = chart.addSeries(name, across, up);
    series.setMarker(SeriesMarkers.NONE);
    series.setLineColor(colour);
    series.setLineStyle(new BasicStroke(LINE));
    return series;
  }
}

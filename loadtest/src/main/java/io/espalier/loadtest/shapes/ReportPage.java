package io.espalier.loadtest.shapes;

import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import java.awt.GraphicsEnvironment;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;

/** A page of HTML that shows runs of shapes, and needs nothing beside it. */
public final class ReportPage {
  private static final String LATENCY = "Latency (of a second's few requests p99 is the slowest)";
  private static final String HEAD =
      """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>TITLE</title>
      <style>
      body { font: 15px/1.4 sans-serif; margin: 2em; max-width: 1180px; color: #222; }
      table { border-collapse: collapse; font-size: 13px; }
      th, td { padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
      th:first-child, td:first-child { text-align: left; }
      .void { color: #b00; }
      .plots { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 1em; }
      figure { margin: 0; }
      figcaption { font-weight: bold; font-size: 13px; }
      </style>
      </head>
      <body>
      <h1>TITLE</h1>
      """;

  private final String title;
  private final Duration slo;
  private final long seed;

  /**
   * A page.
   *
   * @param title what was driven
   * @param slo what a full answer must take to count as good
   * @param seed of the arrivals
   */
  public ReportPage(String title, Duration slo, long seed) {
    this.title = title;
    this.slo = slo;
    this.seed = seed;
  }

  /** Whether this machine has the fonts that plots are drawn with. */
  public static boolean canBeDrawn() {
    try {
      return GraphicsEnvironment.getLocalGraphicsEnvironment().getAvailableFontFamilyNames().length
          > 0;
    } catch (RuntimeException | Error e) {
      // Without a font, or without the library that looks for some, the JDK fails in several ways.
      return false;
    }
  }

  /** The page of some runs. */
  public String html(List<ShapeRun> runs) {
    Charts charts = new Charts(slo);
    Drawings drawings = new Drawings();
    StringBuilder page = new StringBuilder();
    page.append(HEAD.replace("TITLE", escaped(title)));
    page.append(
        """
        <p>Requests arrive as a Poisson process (seed %d), whether or not others were answered; latency counts from
        when a request was due, and is of what was answered, in full or in part. An answer is good when it is whole and there within %d ms. p99 stands with its 95 %%
        order-statistic interval (? where there were too few requests). A run is void where the driver was more than
        %d ms late at its own p99, or dropped an arrival.</p>
        """
            .formatted(seed, slo.toMillis(), Requests.MOST_SEND_LAG.toMillis()));
    table(page, runs);
    List<ShapeRun> drawn = runs.stream().filter(run -> run.requests().size() > 0).toList();
    if (!drawn.isEmpty()) {
      page.append("<div class=\"plots\">\n");
      plot(page, "Latency by percentile, all shapes", drawings.svg(charts.distributions(drawn)));
      page.append("</div>\n");
    }
    for (ShapeRun run : runs) {
      page.append("<h2>%s</h2>\n".formatted(escaped(run.name())));
      page.append("<p>%s</p>\n".formatted(escaped(run.shape().what())));
      run.requests()
          .voidReason()
          .ifPresent(
              reason -> page.append("<p class=\"void\">VOID: %s</p>\n".formatted(escaped(reason))));
      if (drawn.contains(run)) {
        page.append("<div class=\"plots\">\n");
        plot(page, "Rate", drawings.svg(charts.rate(run)));
        plot(page, LATENCY, drawings.svg(charts.latency(run)));
        plot(page, "Degraded, refused, failed", drawings.svg(charts.bad(run)));
        plot(page, "Latency by percentile", drawings.svg(charts.distributions(List.of(run))));
        plot(page, "The driver's lag", drawings.svg(charts.lag(run)));
        page.append("</div>\n");
      }
    }
    return page.append("</body>\n</html>\n").toString();
  }

  private void table(StringBuilder page, List<ShapeRun> runs) {
    page.append("<table>\n<tr>");
    for (String column :
        List.of(
            "shape",
            "requests",
            "due/s",
            "good/s",
            "p50",
            "p99",
            "max",
            "degraded",
            "refused",
            "failed",
            "lag, p99",
            "")) {
      page.append("<th>").append(column).append("</th>");
    }
    page.append("</tr>\n");
    for (ShapeRun run : runs) {
      Requests requests = run.requests();
      double seconds = run.length().toMillis() / 1e3;
      Latencies latencies = requests.answered();
      row(
          page,
          run.name(),
          Integer.toString(requests.size()),
          perSecond(requests.size() / seconds),
          perSecond(requests.good(slo) / seconds),
          Report.millis(latencies.quantile(.5)),
          p99(latencies),
          Report.millis(latencies.max()),
          Integer.toString(requests.count(Outcome.DEGRADED)),
          Integer.toString(requests.count(Outcome.REFUSED)),
          Integer.toString(requests.count(Outcome.FAILED)),
          Report.millis(requests.sendLag().quantile(.99)),
          requests.voidReason().isPresent() ? "void" : "");
      if (run.shape().hotUser() > 0) {
        part(page, "– its hot user", requests, run.of(Asked.HOT_USER));
        part(page, "– its other users", requests, run.of(Asked.USUAL));
      }
    }
    page.append("</table>\n");
  }

  private static void part(StringBuilder page, String name, Requests requests, IntPredicate which) {
    Latencies latencies = requests.answered(which);
    row(
        page,
        name,
        Long.toString(requests.latencies(which).count()),
        "",
        "",
        Report.millis(latencies.quantile(.5)),
        p99(latencies),
        Report.millis(latencies.max()),
        Integer.toString(requests.count(Outcome.DEGRADED, which)),
        Integer.toString(requests.count(Outcome.REFUSED, which)),
        Integer.toString(requests.count(Outcome.FAILED, which)),
        "",
        "");
  }

  private static String perSecond(double rate) {
    return String.format(Locale.ROOT, "%.1f", rate);
  }

  private static String p99(Latencies latencies) {
    Latencies.Interval interval = latencies.interval(.99);
    return "%s (%s to %s)"
        .formatted(
            Report.millis(latencies.quantile(.99)),
            Report.millis(interval.low()),
            Report.millis(interval.high()));
  }

  private static void row(StringBuilder page, String... cells) {
    page.append("<tr>");
    for (String cell : cells) {
      page.append("<td>").append(escaped(cell)).append("</td>");
    }
    page.append("</tr>\n");
  }

  private static void plot(StringBuilder page, String caption, String svg) {
    page.append("<figure>\n<figcaption>%s</figcaption>\n".formatted(escaped(caption)));
    page.append(svg).append("\n</figure>\n");
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}

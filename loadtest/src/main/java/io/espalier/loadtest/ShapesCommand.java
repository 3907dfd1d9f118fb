package io.espalier.loadtest;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Knee;
import io.espalier.loadtest.driver.NamedFiles;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.driver.RunLines;
import io.espalier.loadtest.driver.WarmUpOptions;
import io.espalier.loadtest.shapes.ReportPage;
import io.espalier.loadtest.shapes.Shape;
import io.espalier.loadtest.shapes.ShapeRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Drives a server that is up by loads that change, and writes a page that shows what it did. */
@Command(
    name = "shapes",
    description =
        "Finds the knee of a server that is up, drives it at rates around half of that in the"
            + " shapes of loadtest/shapes, and writes a page with plots.",
    footer = {
      "Examples:",
      "  loadtest/measure.sh shapes --call search --slo-ms 250",
      "  loadtest/measure.sh shapes --rate 40 --seconds 60 burst hot-user",
      "Exit codes: 0 done; 3 the driver was too late in one of them, so its figures say nothing."
    })
final class ShapesCommand implements Callable<Integer> {
  private static final int VOID = 3;
  private static final double BASE_SHARE = .5;

  @Parameters(arity = "0..*", description = "Shapes, by name (default: all).")
  private List<String> names = List.of();

  @Option(names = "--list", description = "Says what the shapes are, and runs none.")
  private boolean list;

  @Option(names = "--shapes", description = "Their folder (default: ${DEFAULT-VALUE}).")
  private Path folder = Path.of("loadtest/shapes");

  @Mixin private TargetOptions options = new TargetOptions();

  @Option(
      names = "--rate",
      description = "The base rate, in requests a second; 0: half of the knee (default: 0).")
  private double rate;

  @Option(
      names = "--first-rate",
      description = "Where the search for the knee begins (default: ${DEFAULT-VALUE}).")
  private double firstRate = 20;

  @Option(
      names = "--slo-ms",
      description =
          "p99 at the knee, and what a good answer takes at most (default: ${DEFAULT-VALUE}).")
  private int sloMillis = 250;

  @Option(names = "--seconds", description = "Of each shape (default: ${DEFAULT-VALUE}).")
  private int seconds = 120;

  @Option(
      names = "--search-s",
      description = "Of a run of the search for the knee (default: ${DEFAULT-VALUE}).")
  private int searchSeconds = 30;

  @Mixin private WarmUpOptions warming = new WarmUpOptions();

  @Option(names = "--json", description = "Each shape's run is added to this file, a line each.")
  private @Nullable Path json;

  @Option(
      names = "--out",
      description = "For histograms and report.html (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/shapes");

  private final Report report;
  // Of the run in progress; the driver's thread alone reads it.
  private Shape current = Shape.steady();

  ShapesCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    for (String name : names.isEmpty() ? new NamedFiles(folder).names() : names) {
      Shape shape = Shape.read(folder, name);
      options.check(name, shape);
      shapes.put(name, shape);
    }
    if (list) {
      shapes.forEach((name, shape) -> report.line("%-12s %s", name, shape.what()));
      return 0;
    }
    if (!ReportPage.canBeDrawn()) {
      throw new IllegalStateException(
          "fonts: none (expected: some to draw the report with, as Debian's fontconfig and"
              + " fonts-dejavu-core)");
    }
    OpenLoop load = new OpenLoop(options.target(number -> current.asked(number)), options.seed());
    Duration slo = Duration.ofMillis(sloMillis);
    warming.warmUp(load, rate > 0 ? rate : firstRate, report);
    double base = rate > 0 ? rate : BASE_SHARE * knee(load, slo);
    List<ShapeRun> runs = new ArrayList<>();
    try {
      for (Map.Entry<String, Shape> shape : shapes.entrySet()) {
        // What one leaves behind, such as a lower limit, is not the next one's.
        current = Shape.steady();
        warming.run(load, base);
        runs.add(run(load, shape.getKey(), shape.getValue(), base, slo));
      }
    } finally {
      // Also where one could not be run: those before it took their time.
      if (!runs.isEmpty()) {
        write(runs, base, slo);
      }
    }
    return runs.stream().allMatch(run -> run.requests().voidReason().isEmpty()) ? 0 : VOID;
  }

  private void write(List<ShapeRun> runs, double base, Duration slo) throws IOException {
    Path page = out.resolve("report.html");
    String title = String.format(Locale.ROOT, "%s, base rate %.1f/s", options.description(), base);
    Files.writeString(page, new ReportPage(title, slo, options.seed()).html(runs));
    report.line("report: %s", page);
  }

  private double knee(OpenLoop load, Duration slo) throws InterruptedException {
    Duration length = Duration.ofSeconds(searchSeconds);
    double knee = new Knee(at -> load.run(at, length), slo, report::point).find(firstRate);
    report.line("knee: %.1f requests/s at p99 <= %d ms", knee, sloMillis);
    return knee;
  }

  private ShapeRun run(OpenLoop load, String name, Shape shape, double base, Duration slo)
      throws IOException, InterruptedException {
    Duration length = Duration.ofSeconds(seconds);
    current = shape;
    Requests requests = load.run(at -> base * shape.times(at, length), base * shape.most(), length);
    report.run(name, requests, slo);
    requests.voidReason().ifPresent(text -> report.line("VOID: %s", text));
    HistogramFiles files = new HistogramFiles(out);
    files.log(name, requests);
    files.distribution(name, requests.latencies());
    if (json != null) {
      RunLines.add(json, name, base, requests, Duration.ZERO);
    }
    return new ShapeRun(name, shape, base, length, requests);
  }
}

package io.espalier.loadtest;

import io.espalier.loadtest.driver.HistogramFiles;
import io.espalier.loadtest.driver.Knee;
import io.espalier.loadtest.driver.OpenLoop;
import io.espalier.loadtest.driver.Overload;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.driver.Requests;
import io.espalier.loadtest.driver.Target;
import io.espalier.loadtest.driver.WarmUpOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.DoubleAccumulator;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Finds the knee of a server that is up, and judges what it does at two and three times that. */
@Command(
    name = "overload",
    description =
        "Finds the knee of a server that is up, then asks for two and three times that, for a tenant"
            + " that asks for less than its share and one that asks for all the rest.",
    footer = {
      "Examples:",
      "  loadtest/measure.sh overload --call recommend --slo-ms 100",
      "Exit codes: 0 all is as it should be; 1 it is not; 3 the driver was too late, so the figures"
          + " say nothing."
    })
final class OverloadCommand implements Callable<Integer> {
  private static final int SHORT = 1;
  private static final int VOID = 3;

  @Mixin private TargetOptions options = new TargetOptions();

  @Option(names = "--knee", description = "The knee, where it is known; 0: finds it (default: 0).")
  private double knownKnee;

  @Option(
      names = "--first-rate",
      description = "Where the search begins (default: ${DEFAULT-VALUE}).")
  private double firstRate = 20;

  @Option(
      names = "--slo-ms",
      description = "The route's objective: p99 at the knee (default: ${DEFAULT-VALUE}).")
  private int sloMillis = 250;

  @Option(names = "--seconds", description = "Of one run (default: ${DEFAULT-VALUE}).")
  private int seconds = 60;

  @Option(
      names = "--modest",
      description =
          "What the modest tenant asks for, as a share of the knee (default: ${DEFAULT-VALUE}).")
  private double modestShare = .4;

  @Mixin private WarmUpOptions warming = new WarmUpOptions();

  @Option(names = "--out", description = "For histograms (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of(".espalier/loadtest/overload");

  private final Report report;

  OverloadCommand(Report report) {
    this.report = report;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    Duration slo = Duration.ofMillis(sloMillis);
    Duration length = Duration.ofSeconds(seconds);
    Target modest = options.target("modest");
    Target greedy = options.target("greedy");
    OpenLoop usual = new OpenLoop(modest, options.seed());
    warming.warmUp(usual, knownKnee > 0 ? .6 * knownKnee : firstRate, report);
    DoubleAccumulator highest = new DoubleAccumulator(Math::max, 0);
    Consumer<Knee.Point> seen =
        point -> {
          report.point(point);
          highest.accumulate(point.requests().goodput(slo));
        };
    double knee =
        knownKnee > 0
            ? knownKnee
            : new Knee(at -> usual.run(at, length), slo, seen).find(firstRate);
    Requests atKnee = usual.run(knee, length);
    report.run("knee, %.1f/s".formatted(knee), atKnee, slo);
    keep("knee", atKnee);
    double kneeGoodput = atKnee.goodput(slo);
    highest.accumulate(kneeGoodput);
    boolean sound = sound(atKnee);
    boolean good = true;
    for (int times = 2; times <= 3; times++) {
      IntPredicate isModest = numbers(modestShare / times);
      Target both = (number, done) -> (isModest.test(number) ? modest : greedy).send(number, done);
      Requests requests = new OpenLoop(both, options.seed() + times).run(times * knee, length);
      keep(times + "x", requests);
      good &= judge(times, new Overload(requests, isModest, slo, kneeGoodput, highest.get()));
      highest.accumulate(requests.goodput(slo));
      sound &= sound(requests);
    }
    return sound ? good ? 0 : SHORT : VOID;
  }

  /** The same numbers each time, so many of them, in no order. */
  private static IntPredicate numbers(double share) {
    return number -> new SplittableRandom(number).nextDouble() < share;
  }

  private boolean judge(int times, Overload overload) {
    Requests requests = overload.requests();
    report.run(times + " times the knee", requests, overload.slo());
    report.latencies("  admitted", overload.admitted());
    report.latencies("  refused", overload.refused());
    report.latencies("  refused, from sent", overload.refusedFromSent());
    report.line(
        "  goodput %.3f of the knee's %.1f/s, %.3f of the highest before, %.1f/s; the modest tenant had"
            + " %.3f of its %.1f/s, the greedy one %.3f of its %.1f/s",
        overload.goodputShare(),
        overload.kneeGoodput(),
        overload.highestShare(),
        overload.highestGoodput(),
        overload.modestServed(),
        requests.offered(overload.modest()),
        overload.greedyServed(),
        requests.offered(overload.modest().negate()));
    List<String> shortcomings = overload.shortcomings();
    shortcomings.forEach(text -> report.line("  SHORT: %s", text));
    return shortcomings.isEmpty();
  }

  private void keep(String name, Requests requests) throws IOException {
    HistogramFiles files = new HistogramFiles(out);
    files.log(name, requests);
    files.distribution(name, requests.latencies());
  }

  private boolean sound(Requests requests) {
    Optional<String> reason = requests.voidReason();
    reason.ifPresent(text -> report.line("VOID: %s", text));
    return reason.isEmpty();
  }
}

package io.espalier.cli;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.espalier.admin.v1.RecordedRequest;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import io.espalier.router.ListComparison;
import io.espalier.router.ListComparison.Ranked;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier replay}: recorded requests again, and how the answers differ. */
@Command(
    name = "replay",
    description =
        "Asks a router what a recording asked, and compares the answers with those that were"
            + " recorded, or with another router's.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier serve router --set recording.folder=recorded --set recording.share=1",
      "  ./espalier replay recorded                            the same answers still?",
      "  ./espalier replay recorded --arm canary --min-overlap 0.8",
      "  ./espalier replay recorded --target new:7700 --against old:7700",
      "Exit code 1: answers are less alike than --min-overlap, or more failed than --max-failed."
    })
final class ReplayCommand implements Callable<Integer> {
  private static final int MESSAGE_BYTES = 16 << 20;

  private final Terminal terminal;

  @Parameters(paramLabel = "RECORDING", description = "A file, or a folder of them.")
  Path recording = Path.of("");

  @Option(
      names = "--target",
      paramLabel = "HOST:PORT",
      defaultValue = "127.0.0.1:7700",
      description = "The router (default: ${DEFAULT-VALUE}).")
  String target = "";

  @Option(
      names = "--against",
      paramLabel = "HOST:PORT",
      description = "Another router that is asked the same (default: the recorded answers).")
  @Nullable String against;

  @Option(
      names = "--route",
      paramLabel = "NAME",
      description = "That route of the target (default: the recorded request's).")
  @Nullable String route;

  @Option(
      names = "--arm",
      paramLabel = "NAME",
      description = "That arm of the target's route (default: the user's own).")
  @Nullable String arm;

  @Option(
      names = "--k",
      paramLabel = "N",
      defaultValue = "10",
      description = "Items of a list that are compared (default: ${DEFAULT-VALUE}).")
  int k;

  @Option(
      names = "--limit",
      paramLabel = "N",
      defaultValue = "10000",
      description = "Most requests (default: ${DEFAULT-VALUE}).")
  int limit;

  @Option(
      names = "--at-once",
      paramLabel = "N",
      defaultValue = "2",
      description = "Requests at one time (default: ${DEFAULT-VALUE}).")
  int atOnce;

  @Option(
      names = "--deadline",
      paramLabel = "TIME",
      defaultValue = "10s",
      converter = Durations.class,
      description =
          "Of a request: longer than a user's, so that no part is left out (default:"
              + " ${DEFAULT-VALUE}).")
  Duration deadline = Duration.ofSeconds(10);

  @Option(
      names = "--min-overlap",
      paramLabel = "SHARE",
      defaultValue = "0",
      description = "Mean overlap of the first k below which it has failed (default: 0).")
  double minOverlap;

  @Option(
      names = "--max-failed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Failed requests above which it has failed (default: 0).")
  int maxFailed;

  @Mixin ClientOptions client = new ClientOptions();

  ReplayCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  /** An answer and how long it took; the list is null where there is none. */
  private record Answer(@Nullable Ranked list, boolean degraded, long nanos, String failure) {}

  private record Pair(Answer expected, Answer found) {}

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (k < 1 || limit < 1 || atOnce < 1) {
      throw new ProgramException(
          ExitCode.USAGE,
          "k, limit, at-once: %d, %d, %d (expected: >= 1)".formatted(k, limit, atOnce));
    }
    List<RecordedRequest> requests = read();
    if (requests.isEmpty()) {
      throw new ProgramException(
          ExitCode.MISSING, recording + ": no request (expected: at least one)");
    }
    Caller caller = client.caller();
    ManagedChannel channel = ClientChannels.open(target, caller, MESSAGE_BYTES);
    ManagedChannel other =
        against == null ? null : ClientChannels.open(against, caller, MESSAGE_BYTES);
    try (ExecutorService pool = Executors.newFixedThreadPool(atOnce)) {
      List<Future<Pair>> pending = new ArrayList<>();
      for (RecordedRequest request : requests) {
        pending.add(pool.submit(() -> pair(request, channel, other)));
      }
      List<Pair> pairs = new ArrayList<>();
      for (Future<Pair> pair : pending) {
        try {
          pairs.add(pair.get());
        } catch (ExecutionException e) {
          throw new IllegalStateException("a request could not be compared", e.getCause());
        }
      }
      return report(pairs);
    } finally {
      channel.shutdownNow();
      if (other != null) {
        other.shutdownNow();
      }
      caller.close();
    }
  }

  private List<RecordedRequest> read() throws IOException {
    List<Path> files;
    if (Files.isDirectory(recording)) {
      try (Stream<Path> all = Files.list(recording)) {
        files = all.filter(file -> file.toString().endsWith(".jsonl")).sorted().toList();
      }
    } else {
      files = List.of(recording);
    }
    List<RecordedRequest> requests = new ArrayList<>();
    for (Path file : files) {
      try (BufferedReader lines = Files.newBufferedReader(file)) {
        int number = 0;
        for (String line = lines.readLine();
            line != null && requests.size() < limit;
            line = lines.readLine()) {
          number++;
          Optional<RecordedRequest> request = parse(line);
          if (request.isEmpty()) {
            // The last one may be on its way still.
            if (lines.readLine() != null) {
              throw new ProgramException(
                  ExitCode.FAILED,
                  "%s:%d: no recorded request (expected: one a line)".formatted(file, number));
            }
            break;
          }
          requests.add(request.get());
        }
      }
    }
    return requests;
  }

  private static Optional<RecordedRequest> parse(String line) {
    RecordedRequest.Builder request = RecordedRequest.newBuilder();
    try {
      JsonFormat.parser().merge(line, request);
    } catch (InvalidProtocolBufferException e) {
      return Optional.empty();
    }
    return request.hasSearch() || request.hasRecommend()
        ? Optional.of(request.build())
        : Optional.empty();
  }

  private Pair pair(
      RecordedRequest request, ManagedChannel channel, @Nullable ManagedChannel other) {
    Answer expected =
        other == null
            ? new Answer(
                new Ranked(request.getAnswer().getItemsList(), request.getAnswer().getScoresList()),
                request.getAnswer().getDegraded(),
                TimeUnit.MICROSECONDS.toNanos(request.getAnswer().getDurationMicros()),
                "")
            : ask(request, other, request.getAnswer().getRoute(), null);
    String asked = route;
    return new Pair(
        expected,
        ask(request, channel, asked == null ? request.getAnswer().getRoute() : asked, arm));
  }

  private Answer ask(
      RecordedRequest request, ManagedChannel channel, String ofRoute, @Nullable String ofArm) {
    RouterServiceBlockingStub stub =
        RouterServiceGrpc.newBlockingStub(channel)
            .withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS);
    ListOptions.Builder options = options(request).toBuilder().setRoute(ofRoute);
    if (ofArm != null) {
      options.setArm(ofArm);
    }
    long start = System.nanoTime();
    try {
      ResultPage page =
          request.hasSearch()
              ? stub.search(request.getSearch().toBuilder().setOptions(options).build()).getPage()
              : stub.recommend(request.getRecommend().toBuilder().setOptions(options).build())
                  .getPage();
      return new Answer(
          new Ranked(
              page.getItemsList().stream().map(ResultItem::getItemId).toList(),
              page.getItemsList().stream().map(ResultItem::getScore).toList()),
          page.getDegradationsCount() > 0,
          System.nanoTime() - start,
          "");
    } catch (StatusRuntimeException e) {
      return new Answer(null, false, System.nanoTime() - start, e.getStatus().toString());
    }
  }

  private static ListOptions options(RecordedRequest request) {
    return request.hasSearch()
        ? request.getSearch().getOptions()
        : request.getRecommend().getOptions();
  }

  private int report(List<Pair> pairs) {
    List<ListComparison> compared = new ArrayList<>();
    List<Double> slower = new ArrayList<>();
    int failed = 0;
    int degraded = 0;
    String failure = "";
    for (Pair pair : pairs) {
      Ranked expected = pair.expected().list();
      Ranked found = pair.found().list();
      if (expected == null || found == null) {
        failed++;
        failure = expected == null ? pair.expected().failure() : pair.found().failure();
        continue;
      }
      degraded += pair.found().degraded() ? 1 : 0;
      compared.add(ListComparison.of(expected, found, k));
      slower.add((pair.found().nanos() - pair.expected().nanos()) / 1e6);
    }
    Table table =
        new Table()
            .column("of " + pairs.size() + " requests", Side.LEFT)
            .column("mean", Side.RIGHT)
            .column("5 %", Side.RIGHT)
            .column("median", Side.RIGHT)
            .column("95 %", Side.RIGHT);
    row(table, "overlap@" + k, compared, ListComparison::overlap);
    row(table, "rank correlation", compared, ListComparison::correlation);
    row(table, "score difference", compared, ListComparison::scoreDifference);
    row(table, "ms longer", slower, value -> value);
    terminal.print(table);
    double overlap = compared.stream().mapToDouble(ListComparison::overlap).average().orElse(0);
    long identical = compared.stream().filter(ListComparison::identical).count();
    terminal
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%d identical, %d degraded, %d failed%s",
                identical,
                degraded,
                failed,
                failed == 0 ? "" : " (the last: " + failure + ")"));
    terminal.out().flush();
    if (failed > maxFailed) {
      throw new ProgramException(
          ExitCode.FAILED, "failed: %d (expected: <= %d)".formatted(failed, maxFailed));
    }
    if (overlap < minOverlap) {
      throw new ProgramException(
          ExitCode.FAILED,
          String.format(
              Locale.ROOT, "overlap@%d: %.4f (expected: >= %.4f)", k, overlap, minOverlap));
    }
    return ExitCode.OK;
  }

  private static <T> void row(
      Table table, String name, List<T> values, ToDoubleFunction<T> figure) {
    double[] sorted =
        values.stream()
            .mapToDouble(figure)
            .filter(value -> !Double.isNaN(value))
            .sorted()
            .toArray();
    if (sorted.length == 0) {
      table.row(name, "", "", "", "");
      return;
    }
    table.row(
        name,
        number(Arrays.stream(sorted).average().orElse(0)),
        number(quantile(sorted, .05)),
        number(quantile(sorted, .5)),
        number(quantile(sorted, .95)));
  }

  private static double quantile(double[] sorted, double q) {
    return sorted[(int) Math.min(sorted.length - 1L, (long) Math.floor(q * sorted.length))];
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.4g", value);
  }
}

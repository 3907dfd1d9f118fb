package io.espalier.loadtest;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.catalog.v1.Filter;
import io.espalier.loadtest.driver.Report;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** Shapes against a router that answers at once and remembers what it was asked. */
@EnabledIf(
    value = "io.espalier.loadtest.shapes.ReportPage#canBeDrawn",
    disabledReason = "no fonts to draw with: Debian has some in fontconfig and fonts-dejavu-core")
class ShapesCommandTest {
  private static final int USERS = 500;

  @TempDir private Path folder = Path.of("");
  private final Queue<RecommendRequest> feeds = new ConcurrentLinkedQueue<>();
  private final Queue<SearchRequest> searches = new ConcurrentLinkedQueue<>();
  private final StringWriter printed = new StringWriter();
  private EspalierServer server;

  private final class Router extends RouterServiceGrpc.RouterServiceImplBase {
    @Override
    public void recommend(RecommendRequest request, StreamObserver<RecommendResponse> observer) {
      feeds.add(request);
      observer.onNext(RecommendResponse.getDefaultInstance());
      observer.onCompleted();
    }

    @Override
    public void search(SearchRequest request, StreamObserver<SearchResponse> observer) {
      searches.add(request);
      observer.onNext(SearchResponse.getDefaultInstance());
      observer.onCompleted();
    }
  }

  @BeforeEach
  void start() throws IOException {
    Files.writeString(folder.resolve("items.jsonl"), "{\"id\": \"a\", \"title\": \"a\"}\n");
    write("sequences.tsv", "u%d\t0");
    write("queries.tsv", "train\tred%1$d shoe%1$d\t1\t");
    server =
        EspalierServer.builder("router", ServerConfig.defaults())
            .service(new Router())
            .build()
            .start();
  }

  private void write(String file, String line) throws IOException {
    Files.write(folder.resolve(file), IntStream.range(0, USERS).mapToObj(line::formatted).toList());
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private int run(String... arguments) {
    List<String> all = new ArrayList<>(List.of(arguments));
    Stream.of(
            "--target",
            server.target(),
            "--data",
            folder.toString(),
            "--rate",
            "200",
            "--seconds",
            "2",
            "--warm-windows",
            "0",
            "--window-s",
            "1",
            "--shapes",
            System.getProperty("espalier.root") + "/loadtest/shapes",
            "--out",
            folder.resolve("out").toString(),
            "--json",
            folder.resolve("runs.jsonl").toString())
        .forEach(all::add);
    Report report = new Report(new PrintWriter(printed));
    return new CommandLine(new ShapesCommand(report))
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setErr(new PrintWriter(printed))
        .setExecutionExceptionHandler(
            (failure, command, parsed) -> {
              command.getErr().println(failure.getMessage());
              return 1;
            })
        .execute(all.toArray(String[]::new));
  }

  @Test
  void call_twoShapes_reportAndHistogramsAreOfBoth() throws IOException {
    // Void where this machine was busy.
    assertThat(run("--call", "recommend", "hot-user", "diurnal")).isIn(0, 3);

    assertThat(folder.resolve("out/hot-user.hlog")).isNotEmptyFile();
    assertThat(folder.resolve("out/diurnal.hgrm")).isNotEmptyFile();
    assertThat(Files.readAllLines(folder.resolve("runs.jsonl")))
        .hasSize(2)
        .first()
        .asString()
        .startsWith("{\"run\": \"hot-user\", \"rate\": 200.00,");
    assertThat(Files.readString(folder.resolve("out/report.html")))
        .contains("recommend of " + server.target() + ", base rate 200.0/s")
        .contains("<h2>hot-user</h2>", "<h2>diurnal</h2>", "its hot user");
    assertThat(printed.toString()).contains("hot-user", "diurnal", "report: ");
  }

  @Test
  void call_hotUser_asksAsThatUserForItsShare() {
    run("--call", "recommend", "hot-user");
    // The window before has none; of the two seconds' requests three in ten, of some 600 in all.
    assertThat(mostOfOneUser(feeds.stream().map(feed -> feed.getUser().getId())))
        .isGreaterThan(feeds.size() / 10L);

    run("--call", "search", "hot-user");
    assertThat(
            mostOfOneUser(
                searches.stream()
                    .filter(SearchRequest::hasUser)
                    .map(search -> search.getUser().getId())))
        .isGreaterThan(searches.size() / 10L);
    assertThat(searches).anyMatch(search -> !search.hasUser());
  }

  private static long mostOfOneUser(Stream<String> users) {
    return users
        .collect(Collectors.groupingBy(user -> user, Collectors.counting()))
        .values()
        .stream()
        .mapToLong(count -> count)
        .max()
        .orElse(0);
  }

  @Test
  void call_cold_asksNothingTwice() {
    run("--call", "recommend", "cold");
    List<Filter> filters =
        feeds.stream()
            .filter(feed -> feed.getOptions().hasFilter())
            .map(feed -> feed.getOptions().getFilter())
            .toList();
    assertThat(filters).hasSizeGreaterThan(200);
    assertThat(new HashSet<>(filters)).hasSameSizeAs(filters);

    run("--call", "search", "cold");
    List<String> unseen =
        searches.stream()
            .map(SearchRequest::getQuery)
            .filter(query -> !query.matches("red(\\d+) shoe\\1"))
            .toList();
    assertThat(unseen).hasSizeGreaterThan(200);
    assertThat(new HashSet<>(unseen)).hasSameSizeAs(unseen);
  }

  @Test
  void call_coldOfAServiceWhoseCachesAreNotKnown_isRefused() {
    assertThat(run("--call", "http", "cold")).isOne();
    assertThat(printed.toString()).contains("cold: cold (expected: a call of retrieve, recommend");
  }

  @Test
  void call_shapeThatIsNotThere_namesThoseThatAre() {
    assertThat(run("bursts")).isOne();
    assertThat(printed.toString()).contains("shape: bursts (expected: one of [burst, cold,");
  }
}

package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.faults.Callers.Kind;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.DegradationReason;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.server.Caller;
import io.espalier.server.EspalierServer;
import io.espalier.server.RequestException;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Callers of a router that a test scripts. */
class CallersTest {
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  @TempDir private Path folder = Path.of("");
  private final AtomicInteger calls = new AtomicInteger();
  private volatile IntFunction<ResultPage> script = call -> page("a", "b", "c", "d", "e");
  private EspalierServer server;
  private Callers callers;

  @BeforeEach
  void start() throws IOException {
    Files.writeString(folder.resolve("items.jsonl"), "{\"id\": \"a\", \"title\": \"a\"}\n");
    Files.writeString(folder.resolve("sequences.tsv"), "u1\t0\n");
    server =
        EspalierServer.builder("router", ServerConfig.defaults())
            .service(new Router())
            .build()
            .start();
    callers =
        new Callers(
            server.target(), Caller.plain(), DataFolder.open(folder), false, DEADLINE, false, 1);
    ask();
    callers.learned();
    calls.set(0);
  }

  @AfterEach
  void stop() {
    callers.close();
    server.close();
  }

  private final class Router extends RouterServiceGrpc.RouterServiceImplBase {
    @Override
    public void recommend(RecommendRequest request, StreamObserver<RecommendResponse> observer) {
      ResultPage page = script.apply(calls.incrementAndGet());
      observer.onNext(RecommendResponse.newBuilder().setPage(page).build());
      observer.onCompleted();
    }
  }

  private static ResultPage page(String... items) {
    ResultPage.Builder page = ResultPage.newBuilder();
    for (String item : items) {
      page.addItems(ResultItem.newBuilder().setItemId(item));
    }
    return page.build();
  }

  /** One question, answered. */
  private Outcome ask() {
    CompletableFuture<Outcome> outcome = new CompletableFuture<>();
    callers.send(0, outcome::complete);
    return outcome.orTimeout(60, TimeUnit.SECONDS).join();
  }

  private @Nullable Kind kind() {
    Callers.Trouble trouble = callers.troubles().get(0);
    return trouble == null ? null : trouble.kind();
  }

  @Test
  void send_sameAnswer_isNoTrouble() {
    assertThat(ask()).isEqualTo(Outcome.OK);
    assertThat(callers.troubles()).isEmpty();
  }

  @Test
  void send_firstTryFails_isAnsweredByTheSecond() {
    script =
        call -> {
          if (call == 1) {
            throw RequestException.unavailable("away");
          }
          return page("a", "b", "c", "d", "e");
        };
    assertThat(ask()).isEqualTo(Outcome.OK);
    assertThat(kind()).isEqualTo(Kind.SECOND_TRY);
  }

  @Test
  void send_bothTriesFail_failed() {
    script =
        call -> {
          throw RequestException.unavailable("away");
        };
    assertThat(ask()).isEqualTo(Outcome.FAILED);
    assertThat(kind()).isEqualTo(Kind.FAILED);
    assertThat(calls).hasValue(2);
  }

  @Test
  void send_callersOwnFault_isNotTriedAgain() {
    script =
        call -> {
          throw RequestException.invalidArgument("page_size: 0 (expected: > 0)");
        };
    assertThat(ask()).isEqualTo(Outcome.FAILED);
    assertThat(kind()).isEqualTo(Kind.FAILED);
    assertThat(calls).hasValue(1);
  }

  @Test
  void send_otherItemsWithoutAFlag_areUnflagged() {
    script = call -> page("a", "b", "c", "x", "y");
    assertThat(ask()).isEqualTo(Outcome.DEGRADED);
    assertThat(kind()).isEqualTo(Kind.UNFLAGGED);
  }

  @Test
  void send_otherItemsWithAFlag_areDegraded() {
    script =
        call ->
            page("x").toBuilder()
                .addDegradations(
                    Degradation.newBuilder()
                        .setStage("ranking")
                        .setReason(DegradationReason.DEGRADATION_REASON_LATE))
                .build();
    assertThat(ask()).isEqualTo(Outcome.DEGRADED);
    assertThat(kind()).isEqualTo(Kind.DEGRADED);
    assertThat(callers.degradations()).containsKey("ranking LATE");
  }

  @Test
  void writesInTrouble_routerThatTakesNone_countsThemAlone() throws Exception {
    try (Callers writers =
        new Callers(
            server.target(), Caller.plain(), DataFolder.open(folder), false, DEADLINE, true, 1)) {
      for (int number = 0; number < 20; number++) {
        CompletableFuture<Outcome> outcome = new CompletableFuture<>();
        writers.send(number, outcome::complete);
        outcome.orTimeout(60, TimeUnit.SECONDS).join();
      }
      assertThat(writers.writesInTrouble()).isEqualTo(2);
      assertThat(writers.troubles().keySet()).containsExactly(0, 10);
      assertThat(writers.troubles().values()).allMatch(one -> one.kind() == Kind.REFUSED);
    }
  }

  @Test
  void shortcomings_fewQuestionsAnsweredInFull_saySo() throws Exception {
    assertThat(callers.shortcomings()).isEmpty();
    Files.writeString(folder.resolve("sequences.tsv"), "u1\t0\nu2\t0\nu3\t0\n");
    try (Callers others =
        new Callers(
            server.target(), Caller.plain(), DataFolder.open(folder), false, DEADLINE, false, 1)) {
      CompletableFuture<Outcome> outcome = new CompletableFuture<>();
      others.send(0, outcome::complete);
      outcome.orTimeout(60, TimeUnit.SECONDS).join();
      others.learned();
      assertThat(others.shortcomings())
          .singleElement()
          .asString()
          .startsWith("1 of 3 questions were answered in full");
    }
  }
}

package io.espalier.router;

import com.google.protobuf.Message;
import io.espalier.events.v1.Event;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.SearchRequest;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the check of one request by the proto's rules costs. It stands in the router's package, of
 * which the check is a private matter.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "-XX:+UseCompactObjectHeaders"})
public class RequestRulesBenchmark {
  /** What is asked. */
  public enum Kind {
    /** A query and a user id. */
    SEARCH,
    /** 50 inline events. */
    HISTORY,
    /** A filter of 11 nodes. */
    FILTER
  }

  @Param private Kind kind = Kind.SEARCH;

  private final RequestValidator validator = new RequestValidator();
  private Message request = SearchRequest.getDefaultInstance();

  @Setup
  public void make() {
    request =
        switch (kind) {
          case SEARCH -> search();
          case HISTORY -> history();
          case FILTER -> filtered();
        };
  }

  @Benchmark
  public Message check() {
    validator.check(request);
    return request;
  }

  private static Message search() {
    SearchRequest.Builder search = SearchRequest.newBuilder().setQuery("red shoes");
    search.getUserBuilder().setId("u");
    search.getOptionsBuilder().setPageSize(20);
    return search.build();
  }

  private static Message history() {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    for (int i = 0; i < 50; i++) {
      request.getUserBuilder().addRecentEvents(Event.newBuilder().setItemId("seen" + i));
    }
    return request.build();
  }

  private static Message filtered() {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    for (int i = 0; i < 10; i++) {
      request
          .getOptionsBuilder()
          .getFilterBuilder()
          .getAllOfBuilder()
          .addFiltersBuilder()
          .getEqualsBuilder()
          .setAttribute("brand")
          .getValueBuilder()
          .setText("b" + i);
    }
    return request.build();
  }
}

package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Message;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.WhyNotRequest;
import io.espalier.testing.ServedStage;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.api.Test;

/**
 * Random mutations of valid requests, in their bytes and in their fields, through the whole server.
 */
class RequestFuzzTest {
  private static final int REQUESTS = Integer.getInteger("espalier.fuzz.requests", 100_000);
  private static final int CALLERS = 8;
  private static final long SEED = Long.getLong("espalier.fuzz.seed", 20261123L);

  private static final String FEED =
      """
      name: feed
      kind: feed
      sources: [{bundle: tiger@1, when: has-history}, {bundle: popular@1, when: no-history}]
      """;
  private static final String SEARCH =
      """
      name: search
      kind: search
      rewriters: [{bundle: beque@1}]
      sources: [{bundle: text@1, use_rewrites: true}]
      ranking: {bundle: ranker@1}
      """;

  private record Sample(MethodDescriptor<byte[], byte[]> method, Message message) {}

  private static Sample sample(MethodDescriptor<?, ?> method, Message message) {
    return new Sample(ServedStage.raw(method), message);
  }

  private static List<Sample> samples(String pageToken) {
    return RequestMutations.samples(pageToken).stream()
        .map(
            request ->
                switch (request) {
                  case SearchRequest r -> sample(RouterServiceGrpc.getSearchMethod(), r);
                  case RecommendRequest r -> sample(RouterServiceGrpc.getRecommendMethod(), r);
                  case WhyNotRequest r -> sample(RouterServiceGrpc.getWhyNotMethod(), r);
                  default -> sample(RouterServiceGrpc.getRecordEventsMethod(), request);
                })
        .toList();
  }

  @Test
  void call_randomMutations_neverReachTheMappersFallback() throws Exception {
    System.out.println("fuzz seed " + SEED);
    try (RunningRouter router = new RunningRouter(FEED, SEARCH)) {
      router
          .stages
          .source("tiger@1", FakeStages.items("i", 12))
          .source("popular@1", FakeStages.items("p", 30))
          .source("text@1", FakeStages.items("i", 12))
          .rewriter("beque@1", "other words")
          .reversingRanker("ranker@1");
      String token =
          router
              .stub()
              .recommend(RecommendRequest.getDefaultInstance())
              .getPage()
              .getNextPageToken();
      List<Sample> samples = samples(token);
      Map<Status.Code, LongAdder> codes = new ConcurrentHashMap<>();
      Map<String, String> forbidden = new ConcurrentHashMap<>();
      try (ExecutorService callers = Executors.newFixedThreadPool(CALLERS)) {
        List<Future<?>> running = new ArrayList<>();
        for (int caller = 0; caller < CALLERS; caller++) {
          Random random = new Random(SEED + caller);
          running.add(
              callers.submit(
                  () -> {
                    for (int i = 0; i < REQUESTS / CALLERS; i++) {
                      Sample sample = samples.get(random.nextInt(samples.size()));
                      byte[] request = RequestMutations.bytes(sample.message(), random);
                      Status status = call(router, sample.method(), request);
                      codes.computeIfAbsent(status.getCode(), c -> new LongAdder()).increment();
                      if (status.getCode() == Status.Code.UNKNOWN
                          || status.getCode() == Status.Code.INTERNAL) {
                        forbidden.put(
                            sample.method().getFullMethodName() + " " + Arrays.toString(request),
                            status.toString());
                      }
                      // The stages' memory of requests is for other tests.
                      router.stages.retrievals.clear();
                      router.stages.rankings.clear();
                    }
                  }));
        }
        for (Future<?> one : running) {
          one.get();
        }
      }
      System.out.println("fuzz statuses " + codes);
      assertThat(forbidden).as("seed %d", SEED).isEmpty();
      assertThat(router.server.unmappedExceptions()).isZero();
      assertThat(codes).containsKeys(Status.Code.OK, Status.Code.INVALID_ARGUMENT);
      assertThat(codes.values().stream().mapToLong(LongAdder::sum).sum()).isEqualTo(REQUESTS);
    }
  }

  private static Status call(
      RunningRouter router, MethodDescriptor<byte[], byte[]> method, byte[] request) {
    try {
      ClientCalls.blockingUnaryCall(
          router.channel,
          method,
          CallOptions.DEFAULT.withDeadlineAfter(60, TimeUnit.SECONDS),
          request);
      return Status.OK;
    } catch (StatusRuntimeException e) {
      return e.getStatus();
    }
  }
}

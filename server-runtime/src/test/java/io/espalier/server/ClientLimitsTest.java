package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import io.espalier.catalog.v1.Filter;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ClientLimitsTest {
  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private EspalierServer serve(Map<String, String> keys) throws IOException {
    EspalierServer server =
        EspalierServer.builder("test", ServerConfig.of(keys))
            .service(
                new RewriteServiceGrpc.RewriteServiceImplBase() {
                  @Override
                  public void rewrite(
                      RewriteRequest request, StreamObserver<RewriteResponse> observer) {
                    observer.onNext(RewriteResponse.getDefaultInstance());
                    observer.onCompleted();
                  }
                })
            .service(
                new RouterServiceGrpc.RouterServiceImplBase() {
                  @Override
                  public void search(
                      SearchRequest request, StreamObserver<SearchResponse> observer) {
                    observer.onNext(SearchResponse.getDefaultInstance());
                    observer.onCompleted();
                  }
                })
            .build()
            .start();
    open.add(server);
    return server;
  }

  private ManagedChannel channel(EspalierServer server) {
    ManagedChannel channel = ClientChannels.open(server.target());
    open.add(channel::shutdownNow);
    return channel;
  }

  private static Status call(Channel channel) {
    try {
      var unused =
          RewriteServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(20, TimeUnit.SECONDS)
              .rewrite(RewriteRequest.getDefaultInstance());
      return Status.OK;
    } catch (StatusRuntimeException e) {
      return e.getStatus();
    }
  }

  @Test
  void connections_oneTooManyOfAnAddress_isRefusedAndPlacesComeBack() throws Exception {
    EspalierServer server = serve(Map.of("per_client.connections", "2"));
    ManagedChannel first = channel(server);
    ManagedChannel second = channel(server);
    assertThat(call(first).isOk()).isTrue();
    assertThat(call(second).isOk()).isTrue();
    Status refused = call(channel(server));
    assertThat(refused.getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    assertThat(refused.getDescription()).contains("3 (expected: at most 2)");
    assertThat(call(first).isOk()).isTrue();
    first.shutdownNow().awaitTermination(20, TimeUnit.SECONDS);
    await()
        .untilAsserted(
            () -> {
              ManagedChannel next = ClientChannels.open(server.target());
              try {
                assertThat(call(next).isOk()).isTrue();
              } finally {
                next.shutdownNow();
              }
            });
    assertThat(server.unmappedExceptions()).isZero();
  }

  @Test
  void headers_tooLarge_callIsRefusedAndTheServerGoesOn() throws Exception {
    EspalierServer server = serve(Map.of("max_header_bytes", "4096"));
    ManagedChannel channel = channel(server);
    assertThat(call(with(channel, 3_000)).isOk()).isTrue();
    assertThat(call(with(channel, 9_000)).isOk()).isFalse();
    assertThat(call(with(channel, 1_000_000)).isOk()).isFalse();
    assertThat(call(channel(server)).isOk()).isTrue();
    assertThat(server.unmappedExceptions()).isZero();
  }

  private static Channel with(Channel channel, int bytes) {
    Metadata headers = new Metadata();
    headers.put(Metadata.Key.of("x", Metadata.ASCII_STRING_MARSHALLER), "x".repeat(bytes));
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  @Test
  void message_nestedWithoutEnd_isInvalidArgument() throws Exception {
    EspalierServer server = serve(Map.of());
    Filter deep = Filter.getDefaultInstance();
    for (int i = 0; i < 300; i++) {
      deep = Filter.newBuilder().setNot(deep).build();
    }
    SearchRequest request =
        SearchRequest.newBuilder().setOptions(ListOptions.newBuilder().setFilter(deep)).build();
    ByteString bytes = request.toByteString();
    assertThat(bytes.size()).isGreaterThan(600);
    Status status = Status.OK;
    try {
      var unused = RouterServiceGrpc.newBlockingStub(channel(server)).search(request);
    } catch (StatusRuntimeException e) {
      status = e.getStatus();
    }
    assertThat(status.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    assertThat(server.unmappedExceptions()).isZero();
  }

  @Test
  void calls_beyondTheRateOfAnAddress_areRefusedWithoutRetry() throws Exception {
    EspalierServer server =
        serve(Map.of("per_client.calls_per_second", "0.001", "per_client.burst", "3"));
    ManagedChannel channel = channel(server);
    for (int i = 0; i < 3; i++) {
      assertThat(call(channel).isOk()).isTrue();
    }
    Status status = call(channel(server));
    assertThat(status.getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
    assertThat(status.getDescription()).contains("0.001 a second");
  }

  @Test
  void rate_burstAndPause_admitsAsManyAsTheyAllow() {
    AtomicLong clock = new AtomicLong(Long.MAX_VALUE - 1_000_000_000L); // It may wrap around.
    CallRate rate = new CallRate(10, 5, clock::get);
    assertThat(admitted(rate, "a", 20)).isEqualTo(5);
    assertThat(admitted(rate, "b", 20)).isEqualTo(5);
    clock.addAndGet(300_000_000);
    assertThat(admitted(rate, "a", 20)).isEqualTo(3);
    clock.addAndGet(3_600_000_000_000L);
    assertThat(admitted(rate, "a", 20)).isEqualTo(5);
    int total = 0;
    for (int i = 0; i < 10_000; i++) {
      clock.addAndGet(1_000_000);
      total += admitted(rate, "c", 1);
    }
    assertThat(total).isBetween(100, 106);
  }

  @Test
  void rate_manyIdentities_thoseThatOweNothingAreForgotten() {
    AtomicLong clock = new AtomicLong();
    CallRate rate = new CallRate(10, 1, clock::get);
    for (int i = 0; i < 100_000; i++) {
      assertThat(rate.admits("client " + i)).isTrue();
      clock.addAndGet(100_000);
    }
    assertThat(rate.kept()).isLessThan(20_000);
  }

  private static int admitted(CallRate rate, String identity, int calls) {
    int admitted = 0;
    for (int i = 0; i < calls; i++) {
      admitted += rate.admits(identity) ? 1 : 0;
    }
    return admitted;
  }
}

package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.grpc.BindableService;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The limits that servers run with by themselves. */
class StageTest {
  private static final int MOST_IDS = 100_000;

  private static final Filter LARGEST =
      Filter.newBuilder()
          .setIds(
              ItemIds.newBuilder()
                  .addAllIds(IntStream.range(0, MOST_IDS).mapToObj("%0160d"::formatted).toList()))
          .build();

  @Test
  void config_filterOfAsManyIdsAsAreAllowed_fitsTheRouter() throws IOException {
    RouterServiceGrpc.RouterServiceImplBase service =
        new RouterServiceGrpc.RouterServiceImplBase() {
          @Override
          public void recommend(
              RecommendRequest request, StreamObserver<RecommendResponse> responses) {
            assertThat(request.getOptions().getFilter()).isEqualTo(LARGEST);
            responses.onNext(RecommendResponse.getDefaultInstance());
            responses.onCompleted();
          }
        };
    RecommendRequest request =
        RecommendRequest.newBuilder()
            .setOptions(ListOptions.newBuilder().setFilter(LARGEST))
            .build();

    RecommendResponse response =
        with(
            Stage.ROUTER,
            service,
            channel -> RouterServiceGrpc.newBlockingStub(channel).recommend(request));

    assertThat(response).isEqualTo(RecommendResponse.getDefaultInstance());
  }

  /** The router sends its filter on, with what the user has seen. */
  @Test
  void config_filterThatFitsTheRouter_fitsRetrievalWithASeenList() throws IOException {
    RetrievalServiceGrpc.RetrievalServiceImplBase service =
        new RetrievalServiceGrpc.RetrievalServiceImplBase() {
          @Override
          public void retrieve(
              RetrieveRequest request, StreamObserver<RetrieveResponse> responses) {
            responses.onNext(RetrieveResponse.getDefaultInstance());
            responses.onCompleted();
          }
        };
    RetrieveRequest.Builder request = RetrieveRequest.newBuilder().setFilter(LARGEST);
    for (int seen = 0; seen < 10_000; seen++) {
      request.addExclude("%0256d".formatted(seen)).addHistory("%0256d".formatted(seen));
    }

    RetrieveResponse response =
        with(
            Stage.RETRIEVAL,
            service,
            channel -> RetrievalServiceGrpc.newBlockingStub(channel).retrieve(request.build()));

    assertThat(response).isEqualTo(RetrieveResponse.getDefaultInstance());
  }

  @Test
  void config_servedByItself_isTheStagesUnlessToldOtherwise() {
    Path none = Path.of("none");
    for (Stage stage : Stage.values()) {
      assertThat(ServeConfig.defaults(stage, none, none, none).server()).isEqualTo(stage.config());
      assertThat(stage.config().port()).isEqualTo(stage.port());
    }
    assertThat(
            ServeConfig.defaults(Stage.ROUTER, none, none, none)
                .with(Map.of("server.max_message_bytes", "4096"))
                .server()
                .maxMessageBytes())
        .isEqualTo(4096);
  }

  private static <T> T with(Stage stage, BindableService service, Function<ManagedChannel, T> ask)
      throws IOException {
    try (EspalierServer server =
        EspalierServer.builder(stage.toString(), stage.config())
            .service(service)
            .buildInProcess(UUID.randomUUID().toString())
            .start()) {
      ManagedChannel channel = ClientChannels.open(server.target());
      try {
        return ask.apply(channel);
      } finally {
        channel.shutdownNow();
      }
    }
  }
}

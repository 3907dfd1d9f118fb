package io.espalier.loadtest.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class UpdateStreamTest {
  // Far less than a test run may take, far more than a call in process does.
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private Server server;
  private ManagedChannel channel;
  private volatile boolean answers;

  @BeforeEach
  void start() throws IOException {
    String name = UUID.randomUUID().toString();
    server = InProcessServerBuilder.forName(name).addService(new Writer()).build().start();
    channel = InProcessChannelBuilder.forName(name).build();
  }

  @AfterEach
  void close() {
    channel.shutdownNow();
    server.shutdownNow();
  }

  @Test
  void finish_writerThatAnswersNothing_saysHowManyChangesWait() throws InterruptedException {
    UpdateStream stream = new UpdateStream(channel, 10, (change, response) -> {});
    assertThat(stream.send(UpdateRequest.getDefaultInstance())).isTrue();
    assertThat(stream.send(UpdateRequest.getDefaultInstance())).isTrue();

    assertThatThrownBy(() -> stream.finish(Duration.ofMillis(50)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("2 changes without an answer after PT0.05S (expected: the end of the stream)");
  }

  @Test
  void finish_writerThatAnswers_isOverWithoutAFailure() throws InterruptedException {
    answers = true;
    UpdateStream stream = new UpdateStream(channel, 10, (change, response) -> {});
    assertThat(stream.send(UpdateRequest.getDefaultInstance())).isTrue();

    stream.finish(PATIENCE);

    assertThat(stream.isOver()).isTrue();
    assertThat(stream.failure()).isNull();
  }

  /** Answers all or nothing. */
  private final class Writer extends CatalogServiceGrpc.CatalogServiceImplBase {
    @Override
    public StreamObserver<UpdateRequest> update(StreamObserver<UpdateResponse> responses) {
      return new StreamObserver<>() {
        @Override
        public void onNext(UpdateRequest change) {
          if (answers) {
            responses.onNext(UpdateResponse.getDefaultInstance());
          }
        }

        @Override
        public void onError(Throwable cause) {
          // The client went.
        }

        @Override
        public void onCompleted() {
          if (answers) {
            responses.onCompleted();
          }
        }
      };
    }
  }
}

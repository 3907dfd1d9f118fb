package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChurnTest {
  private static final int ITEMS = 10;

  @TempDir private Path folder = Path.of("");

  /** Whoever waits for what changes bring must hear that none come any more. */
  @Test
  void check_writerEndedTheStream_saysSo() throws IOException, InterruptedException {
    SyntheticCatalogue catalogue =
        SyntheticCatalogue.write(
            folder,
            BundleRepository.open(Path.of(System.getProperty("espalier.root", ".."), "model-repo"))
                .get(BundleId.parse("shop-tiger@1")),
            ITEMS,
            1);
    CountDownLatch refuses = new CountDownLatch(1);
    String name = UUID.randomUUID().toString();
    Server server =
        InProcessServerBuilder.forName(name).addService(new Writer(refuses)).build().start();
    ManagedChannel channel = InProcessChannelBuilder.forName(name).build();
    try {
      Churn churn = new Churn(channel, catalogue, new Ledger(ITEMS), ITEMS, 1000, 1);
      churn.check();

      refuses.countDown();

      assertThatThrownBy(
              () -> {
                // Ends: a stream that was refused is over.
                while (true) {
                  churn.check();
                  Thread.sleep(1);
                }
              })
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("the stream of changes ended");
      assertThatThrownBy(churn::stop).hasMessage("the stream of changes ended");
    } finally {
      channel.shutdownNow();
      server.shutdownNow();
    }
  }

  /** Refuses the stream once it is told to. */
  private static final class Writer extends CatalogServiceGrpc.CatalogServiceImplBase {
    private final CountDownLatch refuses;

    Writer(CountDownLatch refuses) {
      this.refuses = refuses;
    }

    @Override
    public StreamObserver<UpdateRequest> update(StreamObserver<UpdateResponse> responses) {
      Thread.ofPlatform()
          .daemon()
          .start(
              () -> {
                try {
                  refuses.await();
                  responses.onError(Status.UNAVAILABLE.asRuntimeException());
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      return new StreamObserver<>() {
        @Override
        public void onNext(UpdateRequest change) {
          // Never answered.
        }

        @Override
        public void onError(Throwable cause) {
          // The client went.
        }

        @Override
        public void onCompleted() {
          // It ends by an error.
        }
      };
    }
  }
}

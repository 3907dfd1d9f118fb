package io.espalier.inference.triton;

import static java.util.Objects.requireNonNull;

import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelRunnerContract;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;

class TritonModelRunnerContractTest extends ModelRunnerContract {
  private @Nullable Server server;

  @Override
  protected ModelRunner runner(EmbeddedModelRunner engine) throws Exception {
    String name = InProcessServerBuilder.generateName();
    server =
        InProcessServerBuilder.forName(name)
            .directExecutor() // Results then arrive in the order in which the engine ends the
            // calls.
            .addService(new FakeInferenceService(engine))
            .build()
            .start();
    return new TritonModelRunner(InProcessChannelBuilder.forName(name).directExecutor().build());
  }

  @AfterEach
  void stop() throws InterruptedException {
    requireNonNull(server).shutdownNow().awaitTermination();
  }
}

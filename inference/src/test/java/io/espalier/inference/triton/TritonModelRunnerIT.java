package io.espalier.inference.triton;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelRunnerContract;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;

/** The contract, against a real Triton. */
class TritonModelRunnerIT extends ModelRunnerContract {
  private static @Nullable TritonContainer server;

  @Override
  protected RunnerUnderTest open(Path models, List<String> loaded) throws IOException {
    TritonContainer triton = server;
    if (triton == null) {
      triton =
          TritonContainer.start(
              models, loaded.stream().map(model -> "--load-model=" + model).toArray(String[]::new));
      server = triton;
    }
    // Results then arrive in the order in which the server ends the calls.
    return new Served(
        triton,
        new TritonModelRunner(
            Grpc.newChannelBuilder(triton.target(), InsecureChannelCredentials.create())
                .directExecutor()
                .build()));
  }

  @AfterAll
  static void stop() throws IOException {
    if (server != null) {
      server.close();
      server = null;
    }
  }

  private record Served(TritonContainer server, TritonModelRunner runner)
      implements RunnerUnderTest {
    @Override
    public AutoCloseable hold(ModelCall call) throws IOException {
      return server.hold(call);
    }

    @Override
    public int inFlight() {
      return runner.inFlight();
    }

    @Override
    public int queued(String model) throws Exception {
      return (int) server.metric("nv_inference_pending_request_count", model);
    }

    @Override
    public void close() {
      runner.close();
    }
  }
}

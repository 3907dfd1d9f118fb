package io.espalier.oip;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelRunnerContract;
import io.espalier.inference.embedded.Hold;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.oip.InferenceSettings.Control;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** The contract of model runners, by the client of Triton, over a socket, against this server. */
class InferenceServerContractTest extends ModelRunnerContract {
  @Override
  protected RunnerUnderTest open(Path models, List<String> loaded) throws IOException {
    ServedEngine served = ServedEngine.of(models, Control.EXPLICIT);
    loaded.forEach(served.engine()::load);
    // Results then arrive in the order in which the server sends them.
    return new Served(
        served,
        new TritonModelRunner(
            Grpc.newChannelBuilder(served.target(), InsecureChannelCredentials.create())
                .directExecutor()
                .build()));
  }

  private record Served(ServedEngine served, TritonModelRunner runner) implements RunnerUnderTest {
    @Override
    public AutoCloseable hold(ModelCall call) {
      return new Hold(served.engine(), call);
    }

    @Override
    public int inFlight() {
      return runner.inFlight();
    }

    @Override
    public int queued(String model) {
      return served.engine().inFlight();
    }

    @Override
    public void close() {
      runner.close();
      served.close();
    }
  }
}

package io.espalier.inference.embedded;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelRunnerContract;
import java.nio.file.Path;
import java.util.List;

class EmbeddedModelRunnerContractTest extends ModelRunnerContract {
  @Override
  protected RunnerUnderTest open(Path models, List<String> loaded) {
    EmbeddedModelRunner runner = new EmbeddedModelRunner(models);
    loaded.forEach(runner::load);
    return new Embedded(runner);
  }

  private record Embedded(EmbeddedModelRunner runner) implements RunnerUnderTest {
    @Override
    public AutoCloseable hold(ModelCall call) {
      return new Hold(runner, call);
    }

    @Override
    public int inFlight() {
      return runner.inFlight();
    }

    @Override
    public int queued(String model) {
      return runner.inFlight();
    }

    @Override
    public void close() {
      runner.close();
    }
  }
}

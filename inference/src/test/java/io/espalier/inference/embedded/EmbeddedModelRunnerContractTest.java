package io.espalier.inference.embedded;

import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelRunnerContract;

class EmbeddedModelRunnerContractTest extends ModelRunnerContract {
  @Override
  protected ModelRunner runner(EmbeddedModelRunner engine) {
    return engine;
  }
}

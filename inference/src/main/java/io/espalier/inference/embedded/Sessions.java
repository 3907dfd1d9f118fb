package io.espalier.inference.embedded;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.OrtSession.SessionOptions;
import io.espalier.inference.repository.ModelSettings;
import io.espalier.inference.repository.SessionSettings;

/** Opens ONNX Runtime sessions as a model's settings ask. */
final class Sessions {
  private Sessions() {}

  static OrtSession open(OrtEnvironment environment, ModelSettings settings) throws OrtException {
    SessionSettings session = settings.session();
    try (SessionOptions options = new SessionOptions()) {
      options.setIntraOpNumThreads(session.intraOpThreads());
      options.setInterOpNumThreads(session.interOpThreads());
      options.setExecutionMode(
          session.parallel()
              ? SessionOptions.ExecutionMode.PARALLEL
              : SessionOptions.ExecutionMode.SEQUENTIAL);
      options.setOptimizationLevel(
          switch (session.optimization()) {
            case NONE -> SessionOptions.OptLevel.NO_OPT;
            case BASIC -> SessionOptions.OptLevel.BASIC_OPT;
            case EXTENDED -> SessionOptions.OptLevel.EXTENDED_OPT;
            case ALL -> SessionOptions.OptLevel.ALL_OPT;
          });
      // A pool that spins between runs takes the cores of every other model on the machine.
      options.addConfigEntry("session.intra_op.allow_spinning", "0");
      options.addConfigEntry("session.inter_op.allow_spinning", "0");
      return environment.createSession(settings.graph().toString(), options);
    }
  }
}

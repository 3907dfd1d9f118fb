package io.espalier.oip;

import static java.util.Objects.requireNonNull;

import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelRunnerContract;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.oip.InferenceSettings.Control;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.opentelemetry.api.OpenTelemetry;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;

/** The contract of model runners, by the client of Triton, over a socket, against this server. */
class InferenceServerContractTest extends ModelRunnerContract {
  private @Nullable EspalierServer server;

  @Override
  protected ModelRunner runner(EmbeddedModelRunner engine) throws Exception {
    server =
        InferenceComponent.over(engine, Control.EXPLICIT, "test", OpenTelemetry.noop())
            .install(EspalierServer.builder("inference", ServerConfig.defaults()))
            .build()
            .start();
    return new TritonModelRunner(
        Grpc.newChannelBuilder(server.target(), InsecureChannelCredentials.create())
            .directExecutor() // Results then arrive in the order in which the server sends them.
            .build());
  }

  @AfterEach
  void stop() {
    requireNonNull(server).close();
  }
}

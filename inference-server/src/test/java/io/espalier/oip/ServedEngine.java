package io.espalier.oip;

import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc.GRPCInferenceServiceBlockingStub;
import io.espalier.oip.InferenceSettings.Control;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Path;

/** An engine behind a server on a loopback port, and a channel to it. */
final class ServedEngine implements AutoCloseable {
  private final EmbeddedModelRunner engine;
  private final EspalierServer server;
  private final ManagedChannel channel;

  private ServedEngine(
      EmbeddedModelRunner engine, Control control, OpenTelemetry telemetry, ServerConfig config)
      throws IOException {
    this.engine = engine;
    this.server =
        InferenceComponent.over(engine, control, "test", model -> {}, telemetry)
            .install(EspalierServer.builder("inference", config))
            .build()
            .start();
    this.channel = connect();
  }

  /** Serves the models of a folder; none is loaded yet. */
  static ServedEngine of(Path models, Control control) throws IOException {
    return of(models, control, OpenTelemetry.noop());
  }

  static ServedEngine of(Path models, Control control, OpenTelemetry telemetry) throws IOException {
    return new ServedEngine(
        new EmbeddedModelRunner(models), control, telemetry, ServerConfig.defaults());
  }

  static ServedEngine of(Path models, Control control, ServerConfig config) throws IOException {
    return new ServedEngine(new EmbeddedModelRunner(models), control, OpenTelemetry.noop(), config);
  }

  EmbeddedModelRunner engine() {
    return engine;
  }

  /** Where it listens. */
  String target() {
    return server.target();
  }

  ManagedChannel channel() {
    return channel;
  }

  GRPCInferenceServiceBlockingStub stub() {
    return GRPCInferenceServiceGrpc.newBlockingStub(channel);
  }

  /** Exceptions that no rule knew. */
  long unmappedExceptions() {
    return server.unmappedExceptions();
  }

  /** A connection of its own. */
  ManagedChannel connect() {
    return Grpc.newChannelBuilder(server.target(), InsecureChannelCredentials.create()).build();
  }

  @Override
  public void close() {
    channel.shutdownNow();
    server.close();
    engine.close();
  }
}

package io.espalier.oip;

import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.oip.InferenceSettings.Control;
import io.espalier.server.EspalierServer;
import io.grpc.MethodDescriptor;
import io.grpc.ServerInterceptors;
import io.opentelemetry.api.OpenTelemetry;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The embedded engine as a server that stands where Triton would. */
public final class InferenceComponent {
  // What a client asks again and again to know where its calls can go and how long they take.
  private static final Set<String> STATE =
      Stream.of(
              GRPCInferenceServiceGrpc.getServerLiveMethod(),
              GRPCInferenceServiceGrpc.getServerReadyMethod(),
              GRPCInferenceServiceGrpc.getModelReadyMethod(),
              GRPCInferenceServiceGrpc.getModelConfigMethod(),
              GRPCInferenceServiceGrpc.getModelStatisticsMethod())
          .map(MethodDescriptor::getFullMethodName)
          .collect(Collectors.toUnmodifiableSet());

  private final InferenceService service;

  private InferenceComponent(InferenceService service) {
    this.service = service;
  }

  /**
   * Loads and warms the models that the settings name.
   *
   * @param version the server's own version, for clients that ask
   * @param check throws a {@code ModelException} for a model that may not be loaded, each time
   *     before it is
   * @param telemetry where the spans of inferences go
   * @throws io.espalier.inference.ModelException when one of them does not load
   */
  public static InferenceComponent start(
      EmbeddedModelRunner engine,
      InferenceSettings settings,
      String version,
      Consumer<String> check,
      OpenTelemetry telemetry) {
    for (String model : settings.loadsAll() ? engine.repository() : settings.load()) {
      check.accept(model);
      engine.load(model);
    }
    return over(engine, settings.control(), version, check, telemetry);
  }

  /** A server of the models that an engine holds already. */
  static InferenceComponent over(
      EmbeddedModelRunner engine,
      Control control,
      String version,
      Consumer<String> check,
      OpenTelemetry telemetry) {
    ServedModels models = new ServedModels(engine);
    return new InferenceComponent(
        new InferenceService(
            models,
            new Inferences(engine, models, telemetry.getTracer("io.espalier.oip")),
            new ModelControl(engine, models, control == Control.EXPLICIT, check),
            version));
  }

  /** Adds the service to a server. */
  public EspalierServer.Builder install(EspalierServer.Builder server) {
    return server
        .service(
            () ->
                ServerInterceptors.intercept(
                    AliasedRequests.of(service.bindService()), new TraceContext()))
        .neverBlocking(AliasedRequests.METHODS)
        .alwaysLetIn(STATE);
  }
}

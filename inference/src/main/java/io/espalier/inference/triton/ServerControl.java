package io.espalier.inference.triton;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelConfigRequest;
import io.espalier.inference.oip.v2.ModelConfigResponse;
import io.espalier.inference.oip.v2.ModelReadyRequest;
import io.espalier.inference.oip.v2.ModelReadyResponse;
import io.espalier.inference.oip.v2.ModelStatistics;
import io.espalier.inference.oip.v2.ModelStatisticsRequest;
import io.espalier.inference.oip.v2.ModelStatisticsResponse;
import io.espalier.inference.oip.v2.RepositoryIndexRequest;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.oip.v2.RepositoryModelLoadResponse;
import io.espalier.inference.oip.v2.RepositoryModelUnloadRequest;
import io.espalier.inference.oip.v2.RepositoryModelUnloadResponse;
import io.espalier.inference.oip.v2.ServerLiveRequest;
import io.espalier.inference.oip.v2.ServerLiveResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import io.grpc.stub.ClientCalls;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** What is asked of a server besides inference; a future that fails does so by the RPC's status. */
final class ServerControl {
  private static final int SECONDS = 10;
  private static final int LOAD_SECONDS = 300;
  private static final int LIVE_SECONDS = 2;

  private final Channel channel;

  ServerControl(Channel channel) {
    this.channel = channel;
  }

  /** Whether it answers at all. */
  CompletableFuture<Boolean> isLive() {
    return ask(
            GRPCInferenceServiceGrpc.getServerLiveMethod(),
            ServerLiveRequest.getDefaultInstance(),
            LIVE_SECONDS)
        .thenApply(ServerLiveResponse::getLive);
  }

  CompletableFuture<ModelConfig> config(String model) {
    ModelConfigRequest request = ModelConfigRequest.newBuilder().setName(model).build();
    return ask(GRPCInferenceServiceGrpc.getModelConfigMethod(), request, SECONDS)
        .thenApply(ModelConfigResponse::getConfig);
  }

  CompletableFuture<Boolean> isReady(String model) {
    ModelReadyRequest request = ModelReadyRequest.newBuilder().setName(model).build();
    return ask(GRPCInferenceServiceGrpc.getModelReadyMethod(), request, SECONDS)
        .thenApply(ModelReadyResponse::getReady);
  }

  /**
   * What it has done.
   *
   * @param model empty for each that is loaded
   */
  CompletableFuture<List<ModelStatistics>> statistics(String model) {
    ModelStatisticsRequest request = ModelStatisticsRequest.newBuilder().setName(model).build();
    return ask(GRPCInferenceServiceGrpc.getModelStatisticsMethod(), request, SECONDS)
        .thenApply(ModelStatisticsResponse::getModelStatsList);
  }

  CompletableFuture<RepositoryModelLoadResponse> load(RepositoryModelLoadRequest request) {
    return ask(GRPCInferenceServiceGrpc.getRepositoryModelLoadMethod(), request, LOAD_SECONDS);
  }

  CompletableFuture<RepositoryModelUnloadResponse> unload(String model) {
    RepositoryModelUnloadRequest request =
        RepositoryModelUnloadRequest.newBuilder().setModelName(model).build();
    return ask(GRPCInferenceServiceGrpc.getRepositoryModelUnloadMethod(), request, LOAD_SECONDS);
  }

  /**
   * What a status means for a model. Triton has the same one for a model that it never heard of and
   * for one of its repository that nobody loaded; its index tells.
   */
  CompletableFuture<ModelException> explain(String model, Throwable error) {
    ModelException exception = StatusReasons.exception(model, error);
    if (exception.reason() != Reason.UNKNOWN_MODEL) {
      return CompletableFuture.completedFuture(exception);
    }
    return ask(
            GRPCInferenceServiceGrpc.getRepositoryIndexMethod(),
            RepositoryIndexRequest.getDefaultInstance(),
            SECONDS)
        .handle(
            (index, failed) ->
                index != null
                        && index.getModelsList().stream()
                            .anyMatch(entry -> entry.getName().equals(model))
                    ? new ModelException(Reason.NOT_READY, model + ": not loaded", error)
                    : exception);
  }

  private <Q, R> CompletableFuture<R> ask(
      MethodDescriptor<Q, R> method, Q request, int deadlineSeconds) {
    Response<R> response = new Response<>();
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(deadlineSeconds, TimeUnit.SECONDS);
    // Others wait for the answer too: it does not end with the request that happened to ask.
    Context.ROOT.run(
        () -> ClientCalls.asyncUnaryCall(channel.newCall(method, options), request, response));
    return response;
  }
}

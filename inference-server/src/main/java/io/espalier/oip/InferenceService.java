package io.espalier.oip;

import io.espalier.inference.oip.v2.CudaSharedMemoryStatusRequest;
import io.espalier.inference.oip.v2.CudaSharedMemoryStatusResponse;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc.GRPCInferenceServiceImplBase;
import io.espalier.inference.oip.v2.ModelConfigRequest;
import io.espalier.inference.oip.v2.ModelConfigResponse;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelMetadataRequest;
import io.espalier.inference.oip.v2.ModelMetadataResponse;
import io.espalier.inference.oip.v2.ModelReadyRequest;
import io.espalier.inference.oip.v2.ModelReadyResponse;
import io.espalier.inference.oip.v2.ModelStatisticsRequest;
import io.espalier.inference.oip.v2.ModelStatisticsResponse;
import io.espalier.inference.oip.v2.ModelStreamInferResponse;
import io.espalier.inference.oip.v2.RepositoryIndexRequest;
import io.espalier.inference.oip.v2.RepositoryIndexResponse;
import io.espalier.inference.oip.v2.RepositoryIndexResponse.ModelIndex;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.oip.v2.RepositoryModelLoadResponse;
import io.espalier.inference.oip.v2.RepositoryModelUnloadRequest;
import io.espalier.inference.oip.v2.RepositoryModelUnloadResponse;
import io.espalier.inference.oip.v2.ServerLiveRequest;
import io.espalier.inference.oip.v2.ServerLiveResponse;
import io.espalier.inference.oip.v2.ServerMetadataRequest;
import io.espalier.inference.oip.v2.ServerMetadataResponse;
import io.espalier.inference.oip.v2.ServerReadyRequest;
import io.espalier.inference.oip.v2.ServerReadyResponse;
import io.espalier.inference.oip.v2.SystemSharedMemoryStatusRequest;
import io.espalier.inference.oip.v2.SystemSharedMemoryStatusResponse;
import io.espalier.server.RequestException;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * The Open Inference Protocol with those extensions of Triton's that its clients use. What is not
 * here (registering shared memory, trace and log settings) is UNIMPLEMENTED.
 */
final class InferenceService extends GRPCInferenceServiceImplBase {
  private static final List<String> EXTENSIONS =
      List.of(
          "schedule_policy",
          "model_configuration",
          "binary_tensor_data",
          "parameters",
          "statistics");

  private final ServedModels models;
  private final Inferences inferences;
  private final ModelControl control;
  private final String version;

  InferenceService(
      ServedModels models, Inferences inferences, ModelControl control, String version) {
    this.models = models;
    this.inferences = inferences;
    this.control = control;
    this.version = version;
  }

  @Override
  public void modelInfer(ModelInferRequest request, StreamObserver<ModelInferResponse> responses) {
    Inference inference = inferences.start(request, deadlineNanos());
    ((ServerCallStreamObserver<ModelInferResponse>) responses)
        .setOnCancelHandler(inference::cancel);
    inference.whenDone(response -> answer(responses, response), responses::onError);
  }

  @Override
  public StreamObserver<ModelInferRequest> modelStreamInfer(
      StreamObserver<ModelStreamInferResponse> responses) {
    return InferStream.open(
        inferences,
        deadlineNanos(),
        (ServerCallStreamObserver<ModelStreamInferResponse>) responses);
  }

  private static long deadlineNanos() {
    Deadline deadline = Context.current().getDeadline();
    return deadline == null
        ? Long.MAX_VALUE
        : System.nanoTime() + deadline.timeRemaining(TimeUnit.NANOSECONDS);
  }

  /** The process answers, so it lives. */
  @Override
  public void serverLive(ServerLiveRequest request, StreamObserver<ServerLiveResponse> responses) {
    answer(responses, ServerLiveResponse.newBuilder().setLive(true).build());
  }

  /** The server starts once its models are loaded. */
  @Override
  public void serverReady(
      ServerReadyRequest request, StreamObserver<ServerReadyResponse> responses) {
    answer(responses, ServerReadyResponse.newBuilder().setReady(true).build());
  }

  @Override
  public void serverMetadata(
      ServerMetadataRequest request, StreamObserver<ServerMetadataResponse> responses) {
    ServerMetadataResponse.Builder metadata =
        ServerMetadataResponse.newBuilder()
            .setName("espalier")
            .setVersion(version)
            .addAllExtensions(EXTENSIONS);
    if (control.allowed()) {
      metadata.addExtensions("model_repository");
    }
    answer(responses, metadata.build());
  }

  @Override
  public void modelReady(ModelReadyRequest request, StreamObserver<ModelReadyResponse> responses) {
    boolean ready = models.isReady(request.getName(), request.getVersion());
    answer(responses, ModelReadyResponse.newBuilder().setReady(ready).build());
  }

  @Override
  public void modelMetadata(
      ModelMetadataRequest request, StreamObserver<ModelMetadataResponse> responses) {
    answer(
        responses, ModelDescriptions.metadata(models.get(request.getName(), request.getVersion())));
  }

  @Override
  public void modelConfig(
      ModelConfigRequest request, StreamObserver<ModelConfigResponse> responses) {
    ServedModel model = models.get(request.getName(), request.getVersion());
    answer(
        responses,
        ModelConfigResponse.newBuilder().setConfig(ModelDescriptions.config(model)).build());
  }

  @Override
  public void modelStatistics(
      ModelStatisticsRequest request, StreamObserver<ModelStatisticsResponse> responses) {
    String name = request.getName();
    Set<String> names = name.isEmpty() ? models.loaded() : Set.of(name);
    ModelStatisticsResponse.Builder statistics = ModelStatisticsResponse.newBuilder();
    for (String one : names) {
      if (!models.isReady(one, "")) {
        throw RequestException.invalidArgument("requested model '" + one + "' is not available");
      }
      if (!models.isReady(one, request.getVersion())) {
        throw RequestException.invalidArgument(
            "requested model version is not available for model '" + one + "'");
      }
      statistics.addModelStats(
          ModelDescriptions.statistics(models.get(one, ""), models.statistics(one)));
    }
    answer(responses, statistics.build());
  }

  @Override
  public void repositoryIndex(
      RepositoryIndexRequest request, StreamObserver<RepositoryIndexResponse> responses) {
    requireNoRepository(request.getRepositoryName());
    RepositoryIndexResponse.Builder index = RepositoryIndexResponse.newBuilder();
    for (String name : models.known()) {
      ModelIndex.Builder model = ModelIndex.newBuilder().setName(name);
      String why = models.whyUnavailable(name);
      if (models.isReady(name, "")) {
        model
            .setVersion(Long.toString(models.get(name, "").settings().version()))
            .setState("READY");
      } else if (request.getReady()) {
        continue;
      } else if (!why.isEmpty()) {
        model.setState("UNAVAILABLE").setReason(why);
      }
      index.addModels(model);
    }
    answer(responses, index.build());
  }

  @Override
  public void repositoryModelLoad(
      RepositoryModelLoadRequest request, StreamObserver<RepositoryModelLoadResponse> responses) {
    requireNoRepository(request.getRepositoryName());
    control.load(request);
    answer(responses, RepositoryModelLoadResponse.getDefaultInstance());
  }

  @Override
  public void repositoryModelUnload(
      RepositoryModelUnloadRequest request,
      StreamObserver<RepositoryModelUnloadResponse> responses) {
    requireNoRepository(request.getRepositoryName());
    control.unload(request.getModelName());
    answer(responses, RepositoryModelUnloadResponse.getDefaultInstance());
  }

  /** Clients ask before they measure; there are no regions. */
  @Override
  public void systemSharedMemoryStatus(
      SystemSharedMemoryStatusRequest request,
      StreamObserver<SystemSharedMemoryStatusResponse> responses) {
    answer(responses, SystemSharedMemoryStatusResponse.getDefaultInstance());
  }

  @Override
  public void cudaSharedMemoryStatus(
      CudaSharedMemoryStatusRequest request,
      StreamObserver<CudaSharedMemoryStatusResponse> responses) {
    answer(responses, CudaSharedMemoryStatusResponse.getDefaultInstance());
  }

  private static void requireNoRepository(String name) {
    if (!name.isEmpty()) {
      throw RequestException.unimplemented("'repository_name' specification is not supported");
    }
  }

  private static <R> void answer(StreamObserver<R> responses, R response) {
    responses.onNext(response);
    responses.onCompleted();
  }
}

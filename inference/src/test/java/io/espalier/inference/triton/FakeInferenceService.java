package io.espalier.inference.triton;

import com.google.protobuf.ByteString;
import com.google.protobuf.util.JsonFormat;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc.GRPCInferenceServiceImplBase;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelConfigRequest;
import io.espalier.inference.oip.v2.ModelConfigResponse;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelInput;
import io.espalier.inference.oip.v2.ModelOutput;
import io.espalier.inference.oip.v2.ModelReadyRequest;
import io.espalier.inference.oip.v2.ModelReadyResponse;
import io.espalier.inference.oip.v2.ModelRepositoryParameter;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.oip.v2.RepositoryModelLoadResponse;
import io.espalier.inference.oip.v2.RepositoryModelUnloadRequest;
import io.espalier.inference.oip.v2.RepositoryModelUnloadResponse;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;

/** A small Triton: the protocol and the words of its errors, over the embedded engine. */
final class FakeInferenceService extends GRPCInferenceServiceImplBase {
  private final EmbeddedModelRunner engine;

  FakeInferenceService(EmbeddedModelRunner engine) {
    this.engine = engine;
  }

  @Override
  public void modelInfer(ModelInferRequest request, StreamObserver<ModelInferResponse> responses) {
    CompletableFuture<Map<String, Tensor>> result;
    try {
      result = engine.infer(call(request));
    } catch (IllegalArgumentException e) {
      responses.onError(
          Status.INVALID_ARGUMENT.withDescription(e.getMessage()).asRuntimeException());
      return;
    }
    ServerCallStreamObserver<ModelInferResponse> call =
        (ServerCallStreamObserver<ModelInferResponse>) responses;
    call.setOnCancelHandler(() -> result.cancel(true));
    var unused =
        result.whenComplete(
            (outputs, error) -> {
              if (call.isCancelled()) {
                return;
              }
              if (error != null) {
                call.onError(status(request.getModelName(), error).asRuntimeException());
              } else {
                call.onNext(response(request, outputs));
                call.onCompleted();
              }
            });
  }

  @Override
  public void modelConfig(
      ModelConfigRequest request, StreamObserver<ModelConfigResponse> responses) {
    try {
      responses.onNext(
          ModelConfigResponse.newBuilder()
              .setConfig(config(engine.spec(request.getName())))
              .build());
      responses.onCompleted();
    } catch (ModelException e) {
      responses.onError(status(request.getName(), e).asRuntimeException());
    }
  }

  @Override
  public void modelReady(ModelReadyRequest request, StreamObserver<ModelReadyResponse> responses) {
    responses.onNext(
        ModelReadyResponse.newBuilder().setReady(engine.isReady(request.getName())).build());
    responses.onCompleted();
  }

  @Override
  public void repositoryModelLoad(
      RepositoryModelLoadRequest request, StreamObserver<RepositoryModelLoadResponse> responses) {
    try {
      Path folder = Files.createTempDirectory("fake-triton").resolve(request.getModelName());
      for (Map.Entry<String, ModelRepositoryParameter> part :
          request.getParametersMap().entrySet()) {
        if (part.getKey().startsWith("file:")) {
          Path file = folder.resolve(part.getKey().substring("file:".length()));
          Files.createDirectories(file.getParent());
          Files.write(file, part.getValue().getBytesParam().toByteArray());
        }
      }
      ModelConfig.Builder config = ModelConfig.newBuilder();
      JsonFormat.parser().merge(request.getParametersOrThrow("config").getStringParam(), config);
      Files.writeString(folder.resolve("config.pbtxt"), config.build().toString());
      engine.load(folder);
      responses.onNext(RepositoryModelLoadResponse.getDefaultInstance());
      responses.onCompleted();
    } catch (IOException e) {
      responses.onError(Status.INTERNAL.withDescription(e.getMessage()).asRuntimeException());
    } catch (ModelException e) {
      responses.onError(
          Status.INTERNAL
              .withDescription("failed to load '" + request.getModelName() + "': " + e.getMessage())
              .asRuntimeException());
    }
  }

  @Override
  public void repositoryModelUnload(
      RepositoryModelUnloadRequest request,
      StreamObserver<RepositoryModelUnloadResponse> responses) {
    engine.unload(request.getModelName());
    responses.onNext(RepositoryModelUnloadResponse.getDefaultInstance());
    responses.onCompleted();
  }

  private static ModelCall call(ModelInferRequest request) {
    Map<String, Tensor> inputs = new HashMap<>();
    for (int i = 0; i < request.getInputsCount(); i++) {
      ModelInferRequest.InferInputTensor input = request.getInputs(i);
      ByteBuffer data =
          request.getRawInputContents(i).asReadOnlyByteBuffer().order(ByteOrder.nativeOrder());
      inputs.put(
          input.getName(),
          Tensor.wrap(
              DataType.valueOf(input.getDatatype()),
              data,
              input.getShapeList().stream().mapToLong(Long::longValue).toArray()));
    }
    long timeout =
        request.containsParameters("timeout")
            ? request.getParametersOrThrow("timeout").getInt64Param()
            : TimeUnit.DAYS.toMicros(1000);
    int priority = (int) request.getParametersOrThrow("priority").getUint64Param() - 1;
    return new ModelCall(
        request.getModelName(),
        inputs,
        System.nanoTime() + TimeUnit.MICROSECONDS.toNanos(timeout),
        priority);
  }

  private static ModelInferResponse response(
      ModelInferRequest request, Map<String, Tensor> outputs) {
    ModelInferResponse.Builder response =
        ModelInferResponse.newBuilder().setModelName(request.getModelName()).setModelVersion("1");
    outputs.forEach(
        (name, tensor) -> {
          ModelInferResponse.InferOutputTensor.Builder output =
              response.addOutputsBuilder().setName(name).setDatatype(tensor.type().name());
          for (long dim : tensor.shape()) {
            output.addShape(dim);
          }
          response.addRawOutputContents(ByteString.copyFrom(tensor.data()));
        });
    return response.build();
  }

  private static ModelConfig config(ModelSpec spec) {
    ModelConfig.Builder config =
        ModelConfig.newBuilder().setName(spec.name()).setMaxBatchSize(spec.maxBatchSize());
    for (TensorSpec input : spec.inputs()) {
      config.addInput(
          ModelInput.newBuilder()
              .setName(input.name())
              .setDataType(type(input))
              .addAllDims(input.dims()));
    }
    for (TensorSpec output : spec.outputs()) {
      config.addOutput(
          ModelOutput.newBuilder()
              .setName(output.name())
              .setDataType(type(output))
              .addAllDims(output.dims()));
    }
    return config.build();
  }

  private static io.espalier.inference.oip.v2.DataType type(TensorSpec spec) {
    return io.espalier.inference.oip.v2.DataType.valueOf("TYPE_" + spec.type());
  }

  private static Status status(String model, Throwable error) {
    Throwable cause = error instanceof CompletionException ? error.getCause() : error;
    if (!(cause instanceof ModelException refusal)) {
      return Status.CANCELLED;
    }
    return switch (refusal.reason()) {
      case UNKNOWN_MODEL ->
          Status.NOT_FOUND.withDescription(
              "Request for unknown model: '" + model + "' is not found");
      case INVALID_INPUT -> Status.INVALID_ARGUMENT.withDescription(refusal.getMessage());
      case NOT_READY ->
          Status.UNAVAILABLE.withDescription(
              "Request for unknown model: '" + model + "' has no available versions");
      case QUEUE_FULL -> Status.UNAVAILABLE.withDescription("Exceeds maximum queue size");
      case EXPIRED -> Status.UNAVAILABLE.withDescription("Request timeout expired");
      case FAILED -> Status.INTERNAL.withDescription(refusal.getMessage());
    };
  }
}

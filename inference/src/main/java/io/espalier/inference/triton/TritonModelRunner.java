package io.espalier.inference.triton;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc.GRPCInferenceServiceBlockingStub;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelConfigRequest;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelReadyRequest;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.oip.v2.RepositoryModelUnloadRequest;
import io.grpc.CallOptions;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Runs the models of a Triton server, over gRPC.
 *
 * <p>What is left of a call's deadline travels as the gRPC deadline and as Triton's queue timeout;
 * cancelling a result cancels the call. A priority beyond the levels that the model configures is
 * served at the model's default level.
 */
public final class TritonModelRunner implements ModelRunner {
  private static final long LONGEST_TIMEOUT_NANOS = TimeUnit.DAYS.toNanos(1);
  private static final int CONTROL_SECONDS = 10;
  private static final int LOAD_SECONDS = 300;

  /**
   * Triton answers pings that come more often than every five minutes by closing the connection.
   */
  private static final int KEEP_ALIVE_SECONDS = 300;

  private final ManagedChannel channel;
  private volatile boolean closed;

  /** A runner over a channel, which it shuts down when it closes. */
  public TritonModelRunner(ManagedChannel channel) {
    this.channel = Objects.requireNonNull(channel, "channel");
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new IllegalStateException(
          "byte order: " + ByteOrder.nativeOrder() + " (expected: LITTLE_ENDIAN, as on the wire)");
    }
  }

  /**
   * Connects to a server.
   *
   * @param target a gRPC target, for example {@code dns:///triton:8001}
   */
  public static TritonModelRunner connect(String target, ChannelCredentials credentials) {
    return new TritonModelRunner(
        Grpc.newChannelBuilder(target, credentials)
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .keepAliveTime(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
            .build());
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    if (closed) {
      return CompletableFuture.failedFuture(closed(call.model()));
    }
    long remaining = call.deadlineNanos() - System.nanoTime();
    if (remaining <= 0) {
      return CompletableFuture.failedFuture(
          new ModelException(
              Reason.EXPIRED, call.model() + ": the deadline passed before the call"));
    }
    CallOptions options = CallOptions.DEFAULT;
    long timeoutMicros = 0;
    if (remaining < LONGEST_TIMEOUT_NANOS) {
      options = options.withDeadlineAfter(remaining, TimeUnit.NANOSECONDS);
      timeoutMicros = Math.max(1, TimeUnit.NANOSECONDS.toMicros(remaining));
    }
    ClientCall<ModelInferRequest, ModelInferResponse> rpc =
        channel.newCall(GRPCInferenceServiceGrpc.getModelInferMethod(), options);
    CompletableFuture<Map<String, Tensor>> result = new CompletableFuture<>();
    var unused =
        result.whenComplete(
            (outputs, error) -> {
              if (result.isCancelled()) {
                rpc.cancel("the caller cancelled", null);
              }
            });
    ClientCalls.asyncUnaryCall(
        rpc,
        InferMessages.request(call, timeoutMicros),
        new StreamObserver<ModelInferResponse>() {
          @Override
          public void onNext(ModelInferResponse response) {
            try {
              result.complete(InferMessages.outputs(response));
            } catch (ModelException e) {
              result.completeExceptionally(e);
            }
          }

          @Override
          public void onError(Throwable error) {
            result.completeExceptionally(StatusReasons.exception(call.model(), error));
          }

          @Override
          public void onCompleted() {
            result.completeExceptionally(
                new ModelException(Reason.FAILED, call.model() + ": no response"));
          }
        });
    return result;
  }

  /** Asks the server what a model takes and gives. */
  @Override
  public ModelSpec spec(String model) {
    if (closed) {
      throw closed(model);
    }
    ModelConfig config;
    try {
      config =
          control().modelConfig(ModelConfigRequest.newBuilder().setName(model).build()).getConfig();
    } catch (StatusRuntimeException e) {
      throw StatusReasons.exception(model, e);
    }
    List<TensorSpec> inputs = new ArrayList<>();
    config
        .getInputList()
        .forEach(
            input ->
                inputs.add(spec(model, input.getName(), input.getDataType(), input.getDimsList())));
    List<TensorSpec> outputs = new ArrayList<>();
    config
        .getOutputList()
        .forEach(
            output ->
                outputs.add(
                    spec(model, output.getName(), output.getDataType(), output.getDimsList())));
    return new ModelSpec(model, config.getMaxBatchSize(), inputs, outputs);
  }

  /** Asks the server whether a model is ready; a server that does not answer is not. */
  @Override
  public boolean isReady(String model) {
    try {
      return !closed
          && control().modelReady(ModelReadyRequest.newBuilder().setName(model).build()).getReady();
    } catch (StatusRuntimeException e) {
      return false;
    }
  }

  /** Sends the folder's files; the server must be one whose models are loaded by request. */
  @Override
  public void load(Path folder) {
    String model = folder.getFileName().toString();
    if (closed) {
      throw closed(model);
    }
    try {
      RepositoryModelLoadRequest request = LoadMessages.request(model, folder);
      var unused = control(LOAD_SECONDS).repositoryModelLoad(request);
    } catch (IOException e) {
      throw new ModelException(Reason.NOT_READY, folder + ": cannot be read: " + e.getMessage(), e);
    } catch (StatusRuntimeException e) {
      throw StatusReasons.exception(model, e);
    }
  }

  @Override
  public void unload(String model) {
    try {
      var unused =
          control(LOAD_SECONDS)
              .repositoryModelUnload(
                  RepositoryModelUnloadRequest.newBuilder().setModelName(model).build());
    } catch (StatusRuntimeException e) {
      throw StatusReasons.exception(model, e);
    }
  }

  @Override
  public void close() {
    closed = true;
    channel.shutdown();
    try {
      if (!channel.awaitTermination(CONTROL_SECONDS, TimeUnit.SECONDS)) {
        channel.shutdownNow();
      }
    } catch (InterruptedException e) {
      channel.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  private GRPCInferenceServiceBlockingStub control() {
    return control(CONTROL_SECONDS);
  }

  private GRPCInferenceServiceBlockingStub control(int seconds) {
    return GRPCInferenceServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(seconds, TimeUnit.SECONDS);
  }

  private static TensorSpec spec(
      String model, String name, io.espalier.inference.oip.v2.DataType type, List<Long> dims) {
    try {
      return new TensorSpec(
          name,
          type == io.espalier.inference.oip.v2.DataType.TYPE_STRING
              ? DataType.BYTES
              : DataType.valueOf(type.name().replace("TYPE_", "")),
          dims);
    } catch (IllegalArgumentException e) {
      throw new ModelException(
          Reason.FAILED,
          model
              + ": "
              + name
              + ": "
              + type
              + " (expected: BOOL, INT32, INT64, FP16, FP32 or STRING)",
          e);
    }
  }

  private static ModelException closed(String model) {
    return new ModelException(Reason.NOT_READY, model + ": the runner is closed");
  }
}

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
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.stub.ClientCalls;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs the models of a Triton server, over gRPC.
 *
 * <p>What is left of a call's deadline travels as the gRPC deadline and as Triton's queue timeout;
 * cancelling a result cancels the call. As much work of a model is at the server as keeps its
 * instances busy, the rest waits here, in the order of priorities: a call that is cancelled or late
 * is gone at once. Nothing is sent twice. The caller's trace context travels as {@code
 * traceparent}.
 *
 * <p>A server that starts again forgets the models that it was given by {@link #load(Path)}; it is
 * given them again when a call misses one.
 */
public final class TritonModelRunner implements ModelRunner {
  /** Triton closes connections that are pinged more often than every five minutes. */
  public static final Duration KEEP_ALIVE = Duration.ofMinutes(5);

  private static final Logger log = LoggerFactory.getLogger(TritonModelRunner.class);
  private static final long LONGEST_TIMEOUT_NANOS = TimeUnit.DAYS.toNanos(1);
  private static final long RECONNECT_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final int CLOSE_SECONDS = 10;

  private final ManagedChannel channel;
  private final ServerControl control;
  private final ScheduledThreadPoolExecutor timers;
  private final Map<String, SendQueue> queues = new ConcurrentHashMap<>();
  private final Map<String, RepositoryModelLoadRequest> given = new ConcurrentHashMap<>();
  private final Set<String> givenAgain = ConcurrentHashMap.newKeySet();
  private final AtomicLong lastReconnectNanos = new AtomicLong(System.nanoTime());
  private volatile boolean closed;

  /** A runner over a channel, which it shuts down when it closes. */
  public TritonModelRunner(ManagedChannel channel) {
    this.channel = Objects.requireNonNull(channel, "channel");
    this.control = new ServerControl(channel);
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new IllegalStateException(
          "byte order: " + ByteOrder.nativeOrder() + " (expected: LITTLE_ENDIAN, as on the wire)");
    }
    this.timers =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().daemon().name("triton-timeouts").factory());
    this.timers.setRemoveOnCancelPolicy(true);
    this.timers.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
  }

  /**
   * Connects to a server.
   *
   * @param target a gRPC target, for example {@code dns:///triton:8001}
   * @param keepAlive how long a connection with calls may be silent before it is pinged, at least
   *     10 s; no less than the server's {@code --grpc-http2-min-recv-ping-interval-without-data}
   */
  public static TritonModelRunner connect(
      String target, ChannelCredentials credentials, Duration keepAlive) {
    return new TritonModelRunner(
        Grpc.newChannelBuilder(target, credentials)
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .keepAliveTime(keepAlive.toNanos(), TimeUnit.NANOSECONDS)
            .build());
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    String model = call.model();
    if (closed) {
      return CompletableFuture.failedFuture(closed(model));
    }
    long remaining = call.deadlineNanos() - System.nanoTime();
    if (remaining <= 0) {
      return CompletableFuture.failedFuture(
          new ModelException(Reason.EXPIRED, model + ": the deadline passed before the call"));
    }
    SentCall sent = new SentCall(call);
    SendQueue queue = queue(model);
    var unused =
        sent.result()
            .whenComplete(
                (outputs, error) -> {
                  sent.stopTimer();
                  if (error != null && !queue.remove(sent)) {
                    sent.giveUp();
                  }
                });
    queue.add(sent);
    if (remaining < LONGEST_TIMEOUT_NANOS && !sent.result().isDone()) {
      sent.expiresBy(timers.schedule(sent::expire, remaining, TimeUnit.NANOSECONDS));
    }
    return sent.result();
  }

  private SendQueue queue(String model) {
    SendQueue known = queues.get(model);
    if (known != null) {
      return known;
    }
    SendQueue fresh =
        new SendQueue(model, (queue, sent) -> sent.request().run(() -> send(queue, sent)));
    SendQueue other = queues.putIfAbsent(model, fresh);
    if (other != null) {
      return other;
    }
    var unused =
        control
            .config(model)
            .whenComplete(
                (config, error) -> {
                  if (error == null) {
                    fresh.limit(SendLimits.of(config));
                  } else {
                    queues.remove(model, fresh);
                    var unusedClosing = explain(model, error).thenAccept(fresh::close);
                  }
                });
    return fresh;
  }

  private void send(SendQueue queue, SentCall sent) {
    ModelCall call = sent.call();
    long remaining = call.deadlineNanos() - System.nanoTime();
    CallOptions options = CallOptions.DEFAULT;
    long timeoutMicros = 0;
    if (remaining < LONGEST_TIMEOUT_NANOS) {
      options = options.withDeadlineAfter(remaining, TimeUnit.NANOSECONDS);
      timeoutMicros = Math.max(1, TimeUnit.NANOSECONDS.toMicros(remaining));
    }
    Channel traced = TraceHeaders.on(channel, sent.trace());
    ClientCall<ModelInferRequest, ModelInferResponse> rpc =
        traced.newCall(GRPCInferenceServiceGrpc.getModelInferMethod(), options);
    Response<ModelInferResponse> response = new Response<>();
    var unused =
        response.whenComplete(
            (message, error) -> {
              queue.ended(sent);
              if (error == null) {
                complete(sent, message);
              } else if (!sent.result().isDone()) {
                var unusedFailing = explain(call.model(), error).thenAccept(sent::fail);
              }
            });
    try {
      ClientCalls.asyncUnaryCall(rpc, InferMessages.request(call, timeoutMicros), response);
      sent.started(rpc);
    } catch (RuntimeException e) {
      // The call may be sent on the thread of another, which must not see its failure.
      response.onError(e);
    }
  }

  private static void complete(SentCall sent, ModelInferResponse response) {
    try {
      sent.result().complete(InferMessages.outputs(response));
    } catch (ModelException e) {
      sent.fail(e);
    }
  }

  /** What an error means for a model; and does what can be done about it for the next call. */
  private CompletableFuture<ModelException> explain(String model, Throwable error) {
    if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
      reconnect();
    }
    return control
        .explain(model, error)
        .thenApply(
            exception -> {
              RepositoryModelLoadRequest load = given.get(model);
              if (load == null || !StatusReasons.lacksModel(error)) {
                return exception;
              }
              giveAgain(model, load);
              return new ModelException(
                  Reason.NOT_READY,
                  model + ": the server lost it, and is given it again",
                  exception);
            });
  }

  /** gRPC comes to wait two minutes between its tries to connect; calls ask for one a second. */
  private void reconnect() {
    long now = System.nanoTime();
    long last = lastReconnectNanos.get();
    if (now - last > RECONNECT_NANOS && lastReconnectNanos.compareAndSet(last, now)) {
      channel.resetConnectBackoff();
    }
  }

  private void giveAgain(String model, RepositoryModelLoadRequest load) {
    if (givenAgain.add(model)) {
      var unused =
          control
              .load(load)
              .whenComplete(
                  (loaded, error) -> {
                    givenAgain.remove(model);
                    if (error != null) {
                      log.warn(
                          "{}: could not be given again to a server that lost it", model, error);
                    }
                  });
    }
  }

  /** Asks the server what a model takes and gives. */
  @Override
  public ModelSpec spec(String model) {
    if (closed) {
      throw closed(model);
    }
    ModelConfig config = await(model, control.config(model));
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
    return !closed && control.isReady(model).exceptionally(error -> false).join();
  }

  /** Asks the server what it has done for a model since it loaded it. */
  public ServerStatistics statistics(String model) {
    return ServerStatistics.of(await(model, control.statistics(model)));
  }

  /** Has the server load a model of its own repository; it must be one that loads by request. */
  public void load(String model) {
    load(model, RepositoryModelLoadRequest.newBuilder().setModelName(model).build());
  }

  /** Sends the folder's files; the server must be one that loads by request. */
  @Override
  public void load(Path folder) {
    String model = folder.getFileName().toString();
    RepositoryModelLoadRequest request;
    try {
      request = LoadMessages.request(model, folder);
    } catch (IOException e) {
      throw new ModelException(Reason.NOT_READY, folder + ": cannot be read: " + e.getMessage(), e);
    }
    load(model, request);
  }

  private void load(String model, RepositoryModelLoadRequest request) {
    if (closed) {
      throw closed(model);
    }
    try {
      var unused = await(model, control.load(request));
    } catch (ModelException e) {
      // Triton calls a model that does not load an invalid argument.
      throw new ModelException(Reason.NOT_READY, "not loaded: " + e.getMessage(), e);
    }
    given.put(model, request);
  }

  @Override
  public void unload(String model) {
    given.remove(model);
    var unused = await(model, control.unload(model));
    queues.remove(model);
  }

  /** Number of calls that wait here or are at the server, over all models. */
  public int inFlight() {
    return queues.values().stream().mapToInt(queue -> queue.size() + queue.atServer()).sum();
  }

  @Override
  public void close() {
    closed = true;
    queues.forEach((model, queue) -> queue.close(closed(model)));
    timers.shutdownNow();
    channel.shutdown();
    try {
      if (!channel.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
        channel.shutdownNow();
      }
    } catch (InterruptedException e) {
      channel.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  private <T> T await(String model, CompletableFuture<T> answer) {
    try {
      return answer.join();
    } catch (CompletionException e) {
      throw explain(model, Objects.requireNonNullElse(e.getCause(), e)).join();
    }
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

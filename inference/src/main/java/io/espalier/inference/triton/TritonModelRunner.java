package io.espalier.inference.triton;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelMeters;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelStatistics;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ChannelCredentials;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs the models of Triton servers, over gRPC.
 *
 * <p>What is left of a call's deadline travels as the gRPC deadline and as Triton's queue timeout;
 * cancelling a result cancels the call. As much work of a model is at the servers as keeps their
 * instances busy, the rest waits here, in the order of priorities: a call that is cancelled or late
 * is gone at once. The next call goes to the server that has the least to do. The caller's trace
 * context travels as {@code traceparent}.
 *
 * <p>A server that is lost, ends, or does not have the model any more gets no further calls, and
 * those that it had are sent once more, to another; nothing else is sent twice. It is connected to
 * again within a second of its return. A server that starts again, or comes later, is given the
 * models of {@link #load(Path)}, and takes their calls once it has them.
 */
public final class TritonModelRunner implements ModelRunner {
  private static final Logger log = LoggerFactory.getLogger(TritonModelRunner.class);
  private static final long LONGEST_TIMEOUT_NANOS = TimeUnit.DAYS.toNanos(1);
  private static final int CLOSE_SECONDS = 10;
  private static final int ANSWER_SECONDS = 10;
  private static final int STATISTICS_SECONDS = 5;

  /** What a server says of a model. */
  private record At(Server server, String model) {}

  private final ScheduledThreadPoolExecutor thread;
  private final ModelMeters meters;
  private final Placement placement;
  private final Map<At, StatisticsWatch> watches = new ConcurrentHashMap<>();
  private @Nullable ServerList list;
  private volatile boolean closed;

  private TritonModelRunner(Duration unloadDelay, Meter meter) {
    if (ByteOrder.nativeOrder() != ByteOrder.LITTLE_ENDIAN) {
      throw new IllegalStateException(
          "byte order: " + ByteOrder.nativeOrder() + " (expected: LITTLE_ENDIAN, as on the wire)");
    }
    this.thread =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().daemon().name("triton-control").factory());
    this.thread.setRemoveOnCancelPolicy(true);
    this.thread.setExecuteExistingDelayedTasksAfterShutdownPolicy(false);
    this.thread.setRejectedExecutionHandler(new ThreadPoolExecutor.DiscardPolicy());
    this.meters = new ModelMeters(meter);
    this.placement =
        new Placement(thread, name -> new RemoteModel(name, meters, this::send), unloadDelay);
    var unused =
        thread.scheduleWithFixedDelay(
            this::askStatistics, STATISTICS_SECONDS, STATISTICS_SECONDS, TimeUnit.SECONDS);
  }

  /** A runner of the one server behind a channel, which it shuts down when it closes. */
  public TritonModelRunner(ManagedChannel channel) {
    this(Duration.ZERO, OpenTelemetry.noop().getMeter("io.espalier.inference"));
    Objects.requireNonNull(channel, "channel");
    thread.execute(
        () -> {
          placement.added(new Server(channel.authority(), channel, thread, this::changed));
          placement.resolved("");
        });
  }

  private TritonModelRunner(TritonSettings settings, Meter meter) {
    this(settings.unloadDelay(), meter);
    this.list =
        new ServerList(
            settings.targets(),
            thread,
            placement,
            (address, authority) ->
                new Server(
                    ServerList.name(address),
                    channel(settings, address, authority),
                    thread,
                    this::changed));
  }

  /**
   * Connects to servers; returns at once.
   *
   * @param meter where measurements go
   * @throws IllegalArgumentException when a target is none
   */
  public static TritonModelRunner connect(TritonSettings settings, Meter meter) {
    return new TritonModelRunner(settings, meter);
  }

  /**
   * Connects to the servers behind one target, without metrics.
   *
   * @param target a gRPC target, for example {@code dns:///triton:8001}
   * @param keepAlive how long a connection with calls may be silent before it is pinged, at least
   *     10 s; no less than the server's {@code --grpc-http2-min-recv-ping-interval-without-data}
   */
  public static TritonModelRunner connect(
      String target, ChannelCredentials credentials, Duration keepAlive) {
    return connect(
        new TritonSettings(List.of(target), credentials, keepAlive),
        OpenTelemetry.noop().getMeter("io.espalier.inference"));
  }

  private static ManagedChannel channel(
      TritonSettings settings, SocketAddress address, String authority) {
    return NettyChannelBuilder.forAddress(address, settings.credentials())
        .overrideAuthority(authority)
        .maxInboundMessageSize(Integer.MAX_VALUE)
        .keepAliveTime(settings.keepAlive().toNanos(), TimeUnit.NANOSECONDS)
        .intercept(settings.interceptors())
        .build();
  }

  private void changed(Server server) {
    placement.changed(server);
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    String name = call.model();
    if (closed) {
      return CompletableFuture.failedFuture(closed(name));
    }
    RemoteModel model = placement.model(name);
    long remaining = call.deadlineNanos() - System.nanoTime();
    if (remaining <= 0) {
      model.metrics().refused(Reason.EXPIRED);
      return CompletableFuture.failedFuture(
          new ModelException(Reason.EXPIRED, name + ": the deadline passed before the call"));
    }
    SentCall sent = new SentCall(call);
    var unused = sent.result().whenComplete((outputs, error) -> settle(model, sent, error));
    model.queue().add(sent);
    if (sent.result().isDone()) {
      placement.lookSoon(model);
    } else if (remaining < LONGEST_TIMEOUT_NANOS) {
      sent.expiresBy(thread.schedule(sent::expire, remaining, TimeUnit.NANOSECONDS));
    }
    return sent.result();
  }

  /** Whatever ends a call, and whoever does: it leaves the queue, or the server hears of it. */
  private static void settle(RemoteModel model, SentCall sent, @Nullable Throwable error) {
    sent.stopTimer();
    if (error == null) {
      return;
    }
    if (sent.result().isCancelled()) {
      model.metrics().cancelled();
    } else if (error instanceof ModelException refusal) {
      model.metrics().refused(refusal.reason());
    }
    if (!model.queue().remove(sent)) {
      sent.giveUp();
    }
  }

  private void send(RemoteModel model, Server server, SentCall sent) {
    ModelCall call = sent.call();
    StatisticsWatch watch = watch(server, model.name());
    long now = System.nanoTime();
    model.metrics().started(sent.trace(), now - sent.enqueuedNanos() + watch.queueNanos());
    long remaining = call.deadlineNanos() - now;
    CallOptions options = CallOptions.DEFAULT;
    long timeoutMicros = 0;
    if (remaining < LONGEST_TIMEOUT_NANOS) {
      options = options.withDeadlineAfter(remaining, TimeUnit.NANOSECONDS);
      timeoutMicros = Math.max(1, TimeUnit.NANOSECONDS.toMicros(remaining));
    }
    Channel traced = TraceHeaders.on(server.channel(), sent.trace());
    ClientCall<ModelInferRequest, ModelInferResponse> rpc =
        traced.newCall(GRPCInferenceServiceGrpc.getModelInferMethod(), options);
    Response<ModelInferResponse> response = new Response<>();
    server.begin();
    var unused =
        response.whenComplete(
            (message, error) -> {
              if (error == null) {
                server.end(false);
                watch.answered();
                model.queue().ended(server, sent);
                complete(sent, message);
              } else {
                failed(model, server, sent, error);
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

  private void failed(RemoteModel model, Server server, SentCall sent, Throwable error) {
    server.end(Status.fromThrowable(error).getCode() == Status.Code.DEADLINE_EXCEEDED);
    boolean ofTheServer = StatusReasons.isOfTheServer(error);
    if (ofTheServer) {
      // First, so that nothing that waits goes there too.
      model.queue().shut(server);
      placement.failed(model, server);
    }
    model.queue().ended(server, sent);
    if (sent.isAbandoned(error)) {
      sent.result().cancel(false);
    }
    if (sent.result().isDone()
        || (ofTheServer && sent.mayGoAgain() && model.queue().addAgain(sent, server))) {
      return;
    }
    var unused = server.control().explain(model.name(), error).thenAccept(sent::fail);
  }

  private StatisticsWatch watch(Server server, String model) {
    At at = new At(server, model);
    StatisticsWatch known = watches.get(at);
    return known != null ? known : watches.computeIfAbsent(at, unused -> new StatisticsWatch());
  }

  private void askStatistics() {
    watches
        .keySet()
        .removeIf(
            at ->
                !placement.servers().contains(at.server())
                    || placement.models().stream().noneMatch(m -> m.name().equals(at.model())));
    for (Server server : placement.servers()) {
      if (server.state() == Server.State.UP) {
        var unused =
            server
                .control()
                .statistics("")
                .whenComplete(
                    (all, error) -> {
                      if (error == null) {
                        thread.execute(() -> all.forEach(model -> told(server, model)));
                      } else {
                        log.debug("{}: no statistics", server, error);
                      }
                    });
      }
    }
  }

  private void told(Server server, ModelStatistics statistics) {
    for (RemoteModel model : placement.models()) {
      if (model.name().equals(statistics.getName())) {
        watch(server, model.name()).look(statistics, model.metrics());
      }
    }
  }

  /** What a model takes and gives, as the server says that has it. */
  @Override
  public ModelSpec spec(String name) {
    RemoteModel model = decided(name);
    ModelException refusal = model.refusal();
    if (refusal != null) {
      throw refusal;
    }
    ModelConfig config = model.config();
    if (config == null) {
      throw undecided(name);
    }
    List<TensorSpec> inputs = new ArrayList<>();
    config
        .getInputList()
        .forEach(
            input ->
                inputs.add(spec(name, input.getName(), input.getDataType(), input.getDimsList())));
    List<TensorSpec> outputs = new ArrayList<>();
    config
        .getOutputList()
        .forEach(
            output ->
                outputs.add(
                    spec(name, output.getName(), output.getDataType(), output.getDimsList())));
    return new ModelSpec(name, config.getMaxBatchSize(), inputs, outputs);
  }

  /**
   * Whether a server takes a model's calls. That is known without asking, but for a model that was
   * never heard of; where none does, the servers are asked again.
   */
  @Override
  public boolean isReady(String name) {
    if (closed) {
      return false;
    }
    RemoteModel model;
    try {
      model = decided(name);
    } catch (ModelException e) {
      return false;
    }
    boolean ready = model.queue().isOpen();
    if (!ready) {
      placement.lookSoon(model);
    }
    return ready;
  }

  /** The model, once it is known whether a server has it. */
  private RemoteModel decided(String name) {
    if (closed) {
      throw closed(name);
    }
    RemoteModel model = placement.model(name);
    try {
      model.decided().get(ANSWER_SECONDS, TimeUnit.SECONDS);
      return model;
    } catch (TimeoutException | ExecutionException e) {
      throw undecided(name);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ModelException(Reason.NOT_READY, name + ": interrupted", e);
    }
  }

  private static ModelException undecided(String name) {
    return new ModelException(Reason.NOT_READY, name + ": no server has answered yet");
  }

  /** Asks the servers what they have done for a model since they loaded it. */
  public ServerStatistics statistics(String name) {
    List<CompletableFuture<List<ModelStatistics>>> asked =
        CompletableFuture.supplyAsync(
                () ->
                    placement.servers().stream()
                        .filter(server -> server.state() == Server.State.UP)
                        .map(server -> server.control().statistics(name))
                        .toList(),
                thread)
            .join();
    List<ModelStatistics> all = new ArrayList<>();
    ModelException failure = undecided(name);
    for (CompletableFuture<List<ModelStatistics>> answer : asked) {
      try {
        all.addAll(answer.join());
      } catch (CompletionException e) {
        failure = StatusReasons.exception(name, Objects.requireNonNullElse(e.getCause(), e));
      }
    }
    if (all.isEmpty()) {
      throw failure;
    }
    return ServerStatistics.of(all);
  }

  /**
   * Waits until a server answers.
   *
   * @throws ModelException when none does within that time
   */
  public void awaitServer(Duration patience) {
    long end = System.nanoTime() + patience.toNanos();
    while (!CompletableFuture.supplyAsync(placement::isAnyUp, thread).join()) {
      if (closed || System.nanoTime() > end) {
        String message = "no server of models answers after " + patience;
        throw CompletableFuture.supplyAsync(() -> placement.noServer(message), thread).join();
      }
      try {
        Thread.sleep(20);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new ModelException(Reason.NOT_READY, "interrupted", e);
      }
    }
  }

  /**
   * Has the servers load a model of their own repositories; they must be such as load by request,
   * unless they have it loaded.
   */
  public void load(String model) {
    load(model, RepositoryModelLoadRequest.newBuilder().setModelName(model).build());
  }

  /**
   * Sends the folder's files to every server; they must be such as load by request. A server that
   * has a model of that name ready keeps it: the files behind a name never change.
   */
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
      placement.load(model, request).join();
    } catch (CompletionException e) {
      ModelException why =
          e.getCause() instanceof ModelException known
              ? known
              : new ModelException(Reason.FAILED, model + ": " + e.getCause(), e);
      throw new ModelException(Reason.NOT_READY, String.valueOf(why.getMessage()), why);
    }
  }

  @Override
  public void unload(String model) {
    if (!closed) {
      placement.unload(model).join();
    }
  }

  /** Number of calls that wait here or are at a server, over all models. */
  public int inFlight() {
    return placement.models().stream()
        .mapToInt(model -> model.queue().size() + model.queue().atServers())
        .sum();
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (list != null) {
      list.close();
    }
    List<ManagedChannel> channels =
        CompletableFuture.supplyAsync(
                () -> placement.servers().stream().map(Server::channel).toList(), thread)
            .join();
    placement.close(TritonModelRunner::closed);
    try {
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CLOSE_SECONDS);
      for (ManagedChannel channel : channels) {
        channel.shutdown();
        if (!channel.awaitTermination(end - System.nanoTime(), TimeUnit.NANOSECONDS)) {
          channel.shutdownNow();
        }
      }
    } catch (InterruptedException e) {
      channels.forEach(ManagedChannel::shutdownNow);
      Thread.currentThread().interrupt();
    }
    thread.shutdown();
    meters.close();
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

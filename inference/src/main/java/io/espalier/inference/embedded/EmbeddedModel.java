package io.espalier.inference.embedded;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelMeters;
import io.espalier.inference.ModelMetrics;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.repository.ModelSettings;
import io.espalier.inference.repository.QueuePolicy;
import io.espalier.inference.repository.QueuePolicy.TimeoutAction;
import io.espalier.inference.repository.WarmUp;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A loaded model: one queue, and one worker thread for each instance.
 *
 * <p>The instances share one session. ONNX Runtime's CPU sessions may run on many threads at once,
 * so a session each would only multiply the weights in memory and, where a model asks for several
 * intra-op threads, the thread pools. Every worker holds a reference to the session and the last
 * one to end frees it, so it outlives each run that is under way.
 */
final class EmbeddedModel {
  private static final Logger LOG = LoggerFactory.getLogger(EmbeddedModel.class);
  private static final long LONGEST_TIMER_NANOS = TimeUnit.DAYS.toNanos(1);

  private final ModelSettings settings;
  private final ModelSpec spec;
  private final InputCheck check;
  private final OrtSession session;
  private final CallQueue queue;
  private final ModelMetrics metrics;
  private final StatisticsRecorder statistics = new StatisticsRecorder();
  private final ScheduledExecutorService timers;
  private final List<Thread> workers = new ArrayList<>();
  private final AtomicInteger sessionUsers = new AtomicInteger();
  private final AtomicInteger running = new AtomicInteger();

  private EmbeddedModel(
      ModelSettings settings,
      ModelSpec spec,
      OrtSession session,
      ModelMeters meters,
      ScheduledExecutorService timers) {
    this.settings = settings;
    this.spec = spec;
    this.check = new InputCheck(spec);
    this.session = session;
    this.queue = new CallQueue(spec.maxBatchSize(), settings.batching(), settings.instances());
    this.metrics = meters.of(spec.name(), queue::size);
    this.timers = timers;
  }

  /**
   * Loads a model, checks it against its graph, warms it and starts its workers.
   *
   * @param starter starts the threads that requests wait for; the rest is done by the caller's own
   */
  static EmbeddedModel load(
      ModelSettings settings,
      OrtEnvironment environment,
      ModelMeters meters,
      ScheduledExecutorService timers,
      Executor starter) {
    try {
      OrtSession session = open(settings, environment, starter);
      EmbeddedModel model = null;
      try {
        ModelSpec spec = Graph.spec(settings, session);
        List<Instance> instances = new ArrayList<>();
        for (int i = 0; i < settings.instances(); i++) {
          instances.add(new Instance(spec, environment, session));
        }
        model = new EmbeddedModel(settings, spec, session, meters, timers);
        model.warmUp(settings, instances.getFirst());
        EmbeddedModel ready = model;
        CompletableFuture.runAsync(() -> ready.start(instances), starter).join();
        return model;
      } catch (OrtException | RuntimeException e) {
        if (model != null) {
          model.metrics.close();
        }
        session.close();
        throw e;
      }
    } catch (OrtException e) {
      throw new ModelException(Reason.NOT_READY, settings.graph() + ": " + e.getMessage(), e);
    }
  }

  /** A session whose operators have threads of their own starts them when it is opened. */
  private static OrtSession open(
      ModelSettings settings, OrtEnvironment environment, Executor starter) throws OrtException {
    if (settings.session().intraOpThreads() == 1 && !settings.session().parallel()) {
      return Sessions.open(environment, settings);
    }
    CompletableFuture<OrtSession> opened = new CompletableFuture<>();
    starter.execute(
        () -> {
          try {
            opened.complete(Sessions.open(environment, settings));
          } catch (OrtException | RuntimeException | Error e) {
            opened.completeExceptionally(e);
          }
        });
    try {
      return opened.join();
    } catch (CompletionException e) {
      switch (e.getCause()) {
        case OrtException failure -> throw failure;
        case RuntimeException failure -> throw failure;
        case null, default -> throw e;
      }
    }
  }

  ModelSpec spec() {
    return spec;
  }

  ModelSettings settings() {
    return settings;
  }

  CallStatistics statistics() {
    return statistics.snapshot();
  }

  /** Number of calls that wait. */
  int queued() {
    return queue.size();
  }

  /** Number of calls that run. */
  int running() {
    return running.get();
  }

  CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    long now = System.nanoTime();
    QueuedCall queued;
    try {
      Tensor[] inputs = check.ordered(call.inputs());
      int rows = check.rows(inputs);
      QueuePolicy policy = queue.policy(call.priority());
      queued =
          new QueuedCall(call, inputs, rows, now, policy.timeoutNanos(call.queueTimeoutNanos()));
    } catch (ModelException e) {
      metrics.refused(e.reason());
      return CompletableFuture.failedFuture(e);
    }
    if (queued.deadlinePassed(now)) {
      expire(queued);
      return queued.result();
    }
    var unused = queued.result().whenComplete((outputs, error) -> settle(queued));
    schedule(queued, queued.expiryNanos() - now);
    try {
      queue.add(queued);
    } catch (ModelException e) {
      fail(queued, e);
    }
    return queued.result();
  }

  /** Refuses further calls and waits for the model to end; calls that wait are served if drain. */
  void close(boolean drain) {
    for (QueuedCall call : queue.close(drain)) {
      fail(call, new ModelException(Reason.NOT_READY, spec.name() + ": closed"));
    }
    boolean interrupted = false;
    for (Thread worker : workers) {
      // A caller may close from a continuation of its result, which runs on a worker.
      while (worker != Thread.currentThread() && worker.isAlive()) {
        try {
          worker.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whatever ends a call, and whoever does: its timer stops and it leaves the queue. */
  private void settle(QueuedCall call) {
    call.stopTimer();
    queue.remove(call);
    if (call.result().isCancelled()) {
      metrics.cancelled();
      statistics.cancelled(System.nanoTime() - call.enqueuedNanos());
    }
  }

  private void schedule(QueuedCall call, long nanos) {
    if (nanos >= LONGEST_TIMER_NANOS) {
      return;
    }
    try {
      call.timer(timers.schedule(() -> timeOut(call), nanos, TimeUnit.NANOSECONDS));
    } catch (RejectedExecutionException e) {
      // The runner is closed, and so is the queue: it refuses the call.
      return;
    }
    if (call.result().isDone()) {
      call.stopTimer();
    }
  }

  /** A queue timeout or the deadline has passed. */
  private void timeOut(QueuedCall call) {
    long now = System.nanoTime();
    if (call.deadlinePassed(now)) {
      expire(call);
    } else if (queue.policy(call.priority()).onTimeout() == TimeoutAction.REJECT
        && queue.remove(call)) {
      expire(call);
    } else {
      schedule(call, call.call().deadlineNanos() - now);
    }
  }

  private void expire(QueuedCall call) {
    long waited = System.nanoTime() - call.enqueuedNanos();
    fail(
        call,
        new ModelException(
            Reason.EXPIRED,
            spec.name() + ": the deadline or queue timeout passed after " + waited / 1000 + " us"));
  }

  private void fail(QueuedCall call, ModelException error) {
    // Counted first: who sees the answer also sees the count.
    if (!call.result().isDone()) {
      metrics.refused(error.reason());
      statistics.failed(System.nanoTime() - call.enqueuedNanos());
      call.result().completeExceptionally(error);
    }
  }

  private void start(List<Instance> instances) {
    sessionUsers.set(instances.size());
    for (int i = 0; i < instances.size(); i++) {
      Instance instance = instances.get(i);
      workers.add(
          Thread.ofPlatform()
              .daemon()
              .name("model-" + spec.name() + "-" + i)
              .start(() -> work(instance)));
    }
  }

  private void work(Instance instance) {
    try {
      for (CallQueue.Batch batch = queue.take(); batch != null; batch = queue.take()) {
        batch.expired().forEach(this::expire);
        List<QueuedCall> calls =
            batch.calls().stream().filter(call -> !call.result().isDone()).toList();
        try {
          if (!calls.isEmpty()) {
            running.addAndGet(calls.size());
            run(instance, calls);
          }
        } finally {
          if (!batch.calls().isEmpty()) {
            queue.ended();
          }
        }
      }
    } finally {
      if (sessionUsers.decrementAndGet() == 0) {
        metrics.close();
        closeSession();
      }
    }
  }

  private void run(Instance instance, List<QueuedCall> calls) {
    long start = System.nanoTime();
    int rows = 0;
    for (QueuedCall call : calls) {
      metrics.started(call.trace(), start - call.enqueuedNanos());
      rows += call.rows();
    }
    List<Map<String, Tensor>> outputs;
    try {
      outputs = instance.run(calls);
    } catch (OrtException | RuntimeException | Error e) {
      failed(instance, calls, e);
      return;
    }
    long took = System.nanoTime() - start;
    queue.ran(rows, took);
    metrics.ran(calls.stream().map(QueuedCall::trace).toList(), rows, took);
    statistics.ran(calls, rows, start, instance.lastRun());
    running.addAndGet(-calls.size());
    for (int i = 0; i < calls.size(); i++) {
      calls.get(i).result().complete(outputs.get(i));
    }
  }

  /**
   * One call's bad values fail the whole run: each then runs by itself, and only that one fails.
   */
  private void failed(Instance instance, List<QueuedCall> calls, Throwable error) {
    if (calls.size() > 1) {
      for (QueuedCall call : calls) {
        run(instance, List.of(call));
      }
      return;
    }
    running.decrementAndGet();
    fail(
        calls.getFirst(),
        error instanceof ModelException refusal
            ? refusal
            : new ModelException(Reason.FAILED, spec.name() + ": " + error.getMessage(), error));
  }

  private void warmUp(ModelSettings settings, Instance instance) throws OrtException {
    for (WarmUp call : WarmUpPlan.declared(settings)) {
      for (int i = 0; i < call.runs(); i++) {
        warmUp(call, instance);
      }
    }
    for (WarmUp call : WarmUpPlan.buckets(settings, spec)) {
      try {
        warmUp(call, instance);
      } catch (OrtException | ModelException e) {
        if (!settings.warmUps().isEmpty()) {
          throw e;
        }
        // Zeros need not be a legal input of every model.
        LOG.warn(
            "{}: not warmed: it does not run on zeros; declare model_warmup in config.pbtxt: {}",
            spec.name(),
            e.getMessage());
        return;
      }
    }
  }

  private void warmUp(WarmUp warmUp, Instance instance) throws OrtException {
    ModelCall call = new ModelCall(spec.name(), warmUp.tensors(warmUp.rows()), Long.MAX_VALUE);
    Tensor[] inputs = check.ordered(call.inputs());
    instance.run(List.of(new QueuedCall(call, inputs, check.rows(inputs), 0, 0)));
  }

  private void closeSession() {
    try {
      session.close();
    } catch (OrtException e) {
      LOG.warn("{}: session not closed cleanly", spec.name(), e);
    }
  }
}

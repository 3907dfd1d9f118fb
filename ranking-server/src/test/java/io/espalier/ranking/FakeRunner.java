package io.espalier.ranking;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/**
 * A runner whose models are functions, which can be held back or made to fail.
 *
 * <p>Inputs and outputs are those of real calls: deadlines expire by the caller's own wait.
 */
final class FakeRunner implements ModelRunner {
  private final Map<String, UnaryOperator<Map<String, Tensor>>> models = new ConcurrentHashMap<>();
  private final Map<String, AtomicInteger> calls = new ConcurrentHashMap<>();
  private final Queue<CompletableFuture<Map<String, Tensor>>> started =
      new ConcurrentLinkedQueue<>();
  private volatile CompletableFuture<Void> gate = CompletableFuture.completedFuture(null);
  private volatile Optional<ModelException> failure = Optional.empty();

  FakeRunner model(String name, UnaryOperator<Map<String, Tensor>> function) {
    models.put(name, function);
    return this;
  }

  /** Holds every call back until the returned future completes. */
  CompletableFuture<Void> hold() {
    CompletableFuture<Void> held = new CompletableFuture<>();
    gate = held;
    return held;
  }

  /** Fails every call from now on. */
  void fail(Reason reason) {
    failure = Optional.of(new ModelException(reason, "the fake says " + reason));
  }

  /** The calls that were started, in order. */
  Queue<CompletableFuture<Map<String, Tensor>>> started() {
    return started;
  }

  int calls(String model) {
    AtomicInteger count = calls.get(model);
    return count == null ? 0 : count.get();
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    calls.computeIfAbsent(call.model(), unused -> new AtomicInteger()).incrementAndGet();
    UnaryOperator<Map<String, Tensor>> model = models.get(call.model());
    if (model == null) {
      return CompletableFuture.failedFuture(
          new ModelException(Reason.UNKNOWN_MODEL, call.model() + ": unknown"));
    }
    if (failure.isPresent()) {
      return CompletableFuture.failedFuture(failure.get());
    }
    CompletableFuture<Map<String, Tensor>> result =
        gate.thenApply(unused -> model.apply(call.inputs()));
    started.add(result);
    return result;
  }

  @Override
  public ModelSpec spec(String model) {
    return new ModelSpec(model, 8, List.of(), List.of());
  }

  @Override
  public boolean isReady(String model) {
    return models.containsKey(model);
  }

  @Override
  public void close() {}
}

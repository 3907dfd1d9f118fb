package io.espalier.testing;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A runner whose models are functions, which can be held back, silenced or made to fail.
 *
 * <p>Inputs and outputs are those of real calls: deadlines expire by the caller's own wait.
 */
public final class FunctionRunner implements ModelRunner {
  private final Map<String, UnaryOperator<Map<String, Tensor>>> models = new ConcurrentHashMap<>();
  private final Set<String> silent = ConcurrentHashMap.newKeySet();
  private final List<ModelCall> calls = new CopyOnWriteArrayList<>();
  private final List<CompletableFuture<Map<String, Tensor>>> started = new CopyOnWriteArrayList<>();
  private volatile CompletableFuture<Void> gate = CompletableFuture.completedFuture(null);
  private volatile @Nullable ModelException failure;

  /** Adds a model, or replaces it; one that throws a {@link ModelException} fails the call. */
  public FunctionRunner model(String name, UnaryOperator<Map<String, Tensor>> function) {
    models.put(name, function);
    silent.remove(name);
    return this;
  }

  /** Makes one model's calls fail, with a message that no caller may see. */
  public FunctionRunner failing(String name, Reason reason) {
    return model(
        name,
        inputs -> {
          throw new ModelException(reason, "at /srv/secret/" + name);
        });
  }

  /** Makes one model's calls wait until they are cancelled. */
  public FunctionRunner silent(String name) {
    models.remove(name);
    silent.add(name);
    return this;
  }

  /** Holds every call back until the returned future completes. */
  public CompletableFuture<Void> hold() {
    CompletableFuture<Void> held = new CompletableFuture<>();
    gate = held;
    return held;
  }

  /** Fails every call from now on. */
  public void fail(Reason reason) {
    failure = new ModelException(reason, "the fake says " + reason);
  }

  /** The calls that were made, in order. */
  public List<ModelCall> calls() {
    return calls;
  }

  /** How often a model was called. */
  public int calls(String model) {
    return Math.toIntExact(calls.stream().filter(call -> call.model().equals(model)).count());
  }

  /** The results of the calls that were started, in order. */
  public List<CompletableFuture<Map<String, Tensor>>> started() {
    return started;
  }

  /**
   * Forgets the calls so far and their results, of which a long test has more than memory holds.
   */
  public void forget() {
    calls.clear();
    started.clear();
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    calls.add(call);
    ModelException failing = failure;
    if (failing != null) {
      return CompletableFuture.failedFuture(failing);
    }
    CompletableFuture<Map<String, Tensor>> result = start(call);
    started.add(result);
    return result;
  }

  private CompletableFuture<Map<String, Tensor>> start(ModelCall call) {
    if (silent.contains(call.model())) {
      return new CompletableFuture<>();
    }
    UnaryOperator<Map<String, Tensor>> model = models.get(call.model());
    if (model == null) {
      return CompletableFuture.failedFuture(
          new ModelException(Reason.UNKNOWN_MODEL, call.model() + ": unknown"));
    }
    return gate.thenCompose(
        unused -> {
          try {
            return CompletableFuture.completedFuture(model.apply(call.inputs()));
          } catch (ModelException e) {
            return CompletableFuture.failedFuture(e);
          }
        });
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
  public void close() {
    models.clear();
  }
}

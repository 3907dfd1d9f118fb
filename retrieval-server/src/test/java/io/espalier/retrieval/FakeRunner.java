package io.espalier.retrieval;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.Tensor;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;

/** Models as Java functions. A model can be told to fail, or never to answer. */
final class FakeRunner implements ModelRunner {
  private final Map<String, Function<Map<String, Tensor>, Map<String, Tensor>>> models =
      new ConcurrentHashMap<>();
  private final List<CompletableFuture<Map<String, Tensor>>> waiting = new CopyOnWriteArrayList<>();
  private final List<ModelCall> calls = new CopyOnWriteArrayList<>();

  FakeRunner model(String name, Function<Map<String, Tensor>, Map<String, Tensor>> model) {
    models.put(name, model);
    return this;
  }

  /** Makes a model's calls fail. */
  FakeRunner failing(String name, ModelException.Reason reason) {
    return model(
        name,
        inputs -> {
          throw new ModelException(reason, "at /srv/secret/" + name);
        });
  }

  /** Makes a model's calls wait until they are cancelled. */
  FakeRunner silent(String name) {
    models.remove(name);
    return this;
  }

  List<CompletableFuture<Map<String, Tensor>>> waiting() {
    return waiting;
  }

  List<ModelCall> calls() {
    return calls;
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    calls.add(call);
    var model = models.get(call.model());
    CompletableFuture<Map<String, Tensor>> future = new CompletableFuture<>();
    if (model == null) {
      waiting.add(future);
      return future;
    }
    try {
      future.complete(model.apply(call.inputs()));
    } catch (ModelException e) {
      future.completeExceptionally(e);
    }
    return future;
  }

  @Override
  public ModelSpec spec(String model) {
    return new ModelSpec(model, 1, List.of(), List.of());
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

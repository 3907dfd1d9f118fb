package io.espalier.cli.cluster;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.BundleResources;
import io.espalier.inference.ModelRunner;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The models of an engine, and how many bundles use each: loaded for the first, unloaded after the
 * last.
 *
 * <p>A model's name stands for one set of weights as long as it is loaded: a bundle that names it
 * with another checksum is refused, since it would be answered by the weights of another.
 */
final class LoadedModels implements BundleResources, AutoCloseable {
  private final BundleRepository repository;
  private final ModelRunner runner;
  private final EngineSettings engine;
  private final Map<String, Use> uses = new HashMap<>();

  /** A loaded model: its checksum, and how many use it. */
  private record Use(String checksum, int count) {}

  LoadedModels(BundleRepository repository, ModelRunner runner, EngineSettings engine) {
    this.engine = engine;
    this.repository = repository;
    this.runner = runner;
  }

  /** The engine. */
  ModelRunner runner() {
    return runner;
  }

  @Override
  public AutoCloseable open(Bundle bundle) {
    List<String> acquired = new ArrayList<>();
    AtomicBoolean released = new AtomicBoolean();
    AutoCloseable release =
        () -> {
          if (released.compareAndSet(false, true)) {
            acquired.reversed().forEach(this::release);
          }
        };
    try {
      for (BundleId id : BundleModels.bundles(repository, List.of(bundle.id()))) {
        Bundle needed = repository.get(id);
        if (!id.equals(bundle.id())) {
          needed.verify();
        }
        for (String model : needed.manifest().models().values()) {
          acquire(needed, model);
          acquired.add(model);
        }
      }
      return release;
    } catch (RuntimeException | Error e) {
      acquired.reversed().forEach(this::release);
      throw e;
    }
  }

  private synchronized void acquire(Bundle bundle, String model) {
    String checksum =
        bundle.manifest().checksums().getOrDefault("models/" + model + "/1/model.onnx", "");
    Use use = uses.get(model);
    if (use == null) {
      engine.load(runner, repository, model);
      uses.put(model, new Use(checksum, 1));
    } else if (use.checksum().equals(checksum)) {
      uses.put(model, new Use(checksum, use.count() + 1));
    } else {
      throw new BundleException(
          "bundle %s: model %s: %s (expected: %s, with which it is loaded; other weights need another name)"
              .formatted(bundle.id(), model, checksum, use.checksum()));
    }
  }

  private synchronized void release(String model) {
    Use use = uses.get(model);
    if (use == null) {
      return;
    }
    if (use.count() > 1) {
      uses.put(model, new Use(use.checksum(), use.count() - 1));
    } else {
      uses.remove(model);
      engine.unload(runner, model);
    }
  }

  /** Closes the engine. */
  @Override
  public void close() {
    runner.close();
  }
}

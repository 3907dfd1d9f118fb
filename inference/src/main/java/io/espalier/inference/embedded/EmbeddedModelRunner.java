package io.espalier.inference.embedded;

import ai.onnxruntime.OrtEnvironment;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelMeters;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.repository.ModelFolder;
import io.espalier.inference.repository.ModelSettings;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.metrics.Meter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;

/**
 * Runs the models of a repository in this process with ONNX Runtime.
 *
 * <p>Nothing is loaded until {@link #load} or {@link #loadAll} is called. Each model has a queue
 * and one worker thread for each instance that its {@code config.pbtxt} asks for; a call whose
 * deadline passes, waiting or running, fails with {@link Reason#EXPIRED} at that moment, and one
 * that is cancelled while it waits leaves the queue at once. A result is completed on a worker:
 * what a caller hangs on it should be short, and must not wait for another result of the same
 * model.
 */
public final class EmbeddedModelRunner implements ModelRunner {
  private final Path models;
  private final ModelMeters meters;
  private final OrtEnvironment environment;
  private final ScheduledThreadPoolExecutor timers;
  // Threads inherit how nice the one is that starts them. A model may be loaded by one that leaves
  // the processors to requests; its workers serve requests.
  private final ThreadPoolExecutor starter =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new LinkedBlockingQueue<>(),
          Thread.ofPlatform().daemon().name("model-starter").factory());
  private final Map<String, EmbeddedModel> loaded = new ConcurrentHashMap<>();
  // Models are loaded and freed side by side, one name by one thread at a time (by its hash, since
  // names come and go), and none while the runner closes.
  private final ReadWriteLock closing = new ReentrantReadWriteLock();
  private final Lock[] changing = new Lock[64];
  private volatile boolean closed;

  /** A runner without metrics. */
  public EmbeddedModelRunner(Path models) {
    this(models, OpenTelemetry.noop().getMeter("io.espalier.inference"));
  }

  /**
   * @param models the repository: one folder for each model
   * @param meter where measurements go
   */
  public EmbeddedModelRunner(Path models, Meter meter) {
    this.models = Objects.requireNonNull(models, "models");
    this.meters = new ModelMeters(Objects.requireNonNull(meter, "meter"));
    this.environment = OnnxRuntime.environment();
    Arrays.setAll(changing, i -> new ReentrantLock());
    this.timers =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().daemon().name("model-timeouts").factory());
    this.timers.setRemoveOnCancelPolicy(true);
    this.starter.prestartCoreThread();
  }

  /**
   * Loads and warms a model; it takes calls when this returns. Loading a loaded model does nothing:
   * the files behind a name never change.
   *
   * @throws ModelException when the repository has no such model, its configuration or graph is
   *     wrong, or it does not run
   */
  public void load(String model) {
    if (!closed && !loaded.containsKey(model) && !exists(model)) {
      throw unknown(model);
    }
    load(models.resolve(model));
  }

  /** As {@link #load(String)}; nothing is asked of the repository. */
  @Override
  public void load(Path folder) {
    String model = folder.getFileName().toString();
    changing(
        model,
        () -> {
          if (closed || !loaded.containsKey(model)) {
            reload(folder);
          }
        });
  }

  /**
   * As {@link #load(Path)}; a model of that name that is loaded already is replaced, and freed when
   * its calls have ended.
   */
  public void reload(Path folder) {
    String model = folder.getFileName().toString();
    changing(
        model,
        () -> {
          if (closed) {
            throw new ModelException(Reason.NOT_READY, model + ": the runner is closed");
          }
          EmbeddedModel old =
              loaded.put(
                  model,
                  EmbeddedModel.load(
                      ModelFolder.read(folder), environment, meters, timers, starter));
          if (old != null) {
            old.close(true);
          }
        });
  }

  private void changing(String model, Runnable change) {
    Lock one = changing[Math.floorMod(model.hashCode(), changing.length)];
    closing.readLock().lock();
    one.lock();
    try {
      change.run();
    } finally {
      one.unlock();
      closing.readLock().unlock();
    }
  }

  /** Loads every model of the repository, and says which one failed. */
  public void loadAll() {
    for (String model : repository()) {
      load(model);
    }
  }

  /** Takes a model out: further calls are refused, those that wait or run end, then it is freed. */
  @Override
  public void unload(String model) {
    changing(
        model,
        () -> {
          EmbeddedModel old = loaded.remove(model);
          if (old != null) {
            old.close(true);
          }
        });
  }

  /** The models that are loaded. */
  public Set<String> loaded() {
    return Set.copyOf(loaded.keySet());
  }

  /** The model folders of the repository, loaded or not, in the order of their names. */
  public Set<String> repository() {
    try (Stream<Path> folders = Files.list(models)) {
      Set<String> names = new TreeSet<>();
      folders
          .filter(folder -> Files.isRegularFile(folder.resolve("config.pbtxt")))
          .forEach(folder -> names.add(folder.getFileName().toString()));
      return names;
    } catch (IOException e) {
      throw new ModelException(Reason.NOT_READY, models + ": cannot be listed: " + e, e);
    }
  }

  @Override
  public CompletableFuture<Map<String, Tensor>> infer(ModelCall call) {
    EmbeddedModel model = loaded.get(call.model());
    if (model == null) {
      return CompletableFuture.failedFuture(notLoaded(call.model()));
    }
    CompletableFuture<Map<String, Tensor>> result = model.infer(call);
    if (result.isCompletedExceptionally()) {
      // It may have been replaced since it was looked up, and refuse for that.
      EmbeddedModel now = loaded.get(call.model());
      if (now != null && now != model) {
        return now.infer(call);
      }
    }
    return result;
  }

  @Override
  public ModelSpec spec(String model) {
    return model(model).spec();
  }

  /** What the folder of a loaded model says; fails as {@link #spec} does. */
  public ModelSettings settings(String model) {
    return model(model).settings();
  }

  /** What became of a loaded model's calls; fails as {@link #spec} does. */
  public CallStatistics statistics(String model) {
    return model(model).statistics();
  }

  private EmbeddedModel model(String model) {
    EmbeddedModel found = loaded.get(model);
    if (found == null) {
      throw notLoaded(model);
    }
    return found;
  }

  @Override
  public boolean isReady(String model) {
    return loaded.containsKey(model);
  }

  /** Refuses further and waiting calls, lets running ones end, and frees the models. */
  @Override
  public void close() {
    closing.writeLock().lock();
    try {
      closed = true;
      for (String model : List.copyOf(loaded.keySet())) {
        EmbeddedModel old = loaded.remove(model);
        if (old != null) {
          old.close(false);
        }
      }
      timers.shutdownNow();
      starter.shutdown();
      meters.close();
    } finally {
      closing.writeLock().unlock();
    }
  }

  /** Number of calls that wait or run, over all models. */
  public int inFlight() {
    return loaded.values().stream().mapToInt(model -> model.queued() + model.running()).sum();
  }

  /** Number of calls whose deadline is watched. */
  int watched() {
    return timers.getQueue().size();
  }

  private boolean exists(String model) {
    try {
      Path folder = models.resolve(model).normalize();
      return models.normalize().equals(folder.getParent())
          && Files.isRegularFile(folder.resolve("config.pbtxt"));
    } catch (InvalidPathException e) {
      return false; // A name that no folder can have.
    }
  }

  private ModelException notLoaded(String model) {
    if (!closed && !exists(model)) {
      return unknown(model);
    }
    return new ModelException(
        Reason.NOT_READY, model + (closed ? ": the runner is closed" : ": not loaded"));
  }

  private ModelException unknown(String model) {
    return new ModelException(
        Reason.UNKNOWN_MODEL, model + ": no such model (expected: a folder of " + models + ")");
  }
}

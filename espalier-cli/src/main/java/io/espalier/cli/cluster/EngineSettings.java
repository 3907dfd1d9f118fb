package io.espalier.cli.cluster;

import io.espalier.bundles.BundleRepository;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.triton.TritonModelRunner;
import io.espalier.inference.triton.TritonSettings;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.opentelemetry.api.metrics.Meter;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/**
 * Where the models of a server run.
 *
 * @param targets empty for the embedded engine; else gRPC targets of servers of the Open Inference
 *     Protocol, each address behind one a server
 * @param models how those servers get the models
 * @param keepAlive how long a connection with calls may be silent before it is pinged
 * @param patience how long a start waits for a server
 * @param calls who this server is to those servers; its token is the server's own where none is
 *     given
 */
public record EngineSettings(
    List<String> targets,
    Models models,
    Duration keepAlive,
    Duration patience,
    CallerConfig calls) {

  /** How servers get the models. */
  public enum Models {
    /** They have them in their own repositories; what is not loaded is loaded by its name. */
    NAMED,
    /** Each model's folder is sent, once its checksums have been looked at. */
    SENT
  }

  /**
   * Others may be at the snapshot before for this long: whoever is first at the next one leaves
   * them its model.
   */
  private static final Duration UNLOAD_DELAY = Duration.ofSeconds(30);

  private static final Duration SHORTEST_KEEP_ALIVE = Duration.ofSeconds(10);

  public EngineSettings {
    targets = List.copyOf(targets);
    if (targets.stream().anyMatch(String::isBlank)) {
      throw new IllegalArgumentException(
          "targets: " + targets + " (expected: such as dns:///triton:8001)");
    }
    if (keepAlive.compareTo(SHORTEST_KEEP_ALIVE) < 0) {
      throw new IllegalArgumentException("keep_alive: " + keepAlive + " (expected: 10s or more)");
    }
    if (patience.isNegative()) {
      throw new IllegalArgumentException("patience: " + patience + " (expected: 0s or more)");
    }
  }

  /** The embedded engine. */
  public static EngineSettings defaults() {
    return new EngineSettings(
        List.of(),
        Models.NAMED,
        TritonSettings.KEEP_ALIVE,
        Duration.ofMinutes(2),
        CallerConfig.plain());
  }

  /** These settings with other servers. */
  public EngineSettings at(List<String> servers) {
    return new EngineSettings(servers, models, keepAlive, patience, calls);
  }

  /** Whether models run in this process. */
  boolean isEmbedded() {
    return targets.isEmpty();
  }

  /**
   * A runner that has models of a repository, verified by the caller, loaded.
   *
   * @param caller who calls servers elsewhere; stays open for as long as the runner
   * @throws ModelException when one of them does not load
   */
  ModelRunner open(BundleRepository repository, Set<String> names, Caller caller, Meter meter) {
    return isEmbedded()
        ? embedded(repository, names, meter)
        : elsewhere(repository, names, caller, meter);
  }

  private static ModelRunner embedded(BundleRepository repository, Set<String> names, Meter meter) {
    EmbeddedModelRunner runner = new EmbeddedModelRunner(repository.models(), meter);
    try {
      SideBySide.forEach(names, runner::load);
      return runner;
    } catch (RuntimeException e) {
      runner.close();
      throw e;
    }
  }

  private ModelRunner elsewhere(
      BundleRepository repository, Set<String> names, Caller caller, Meter meter) {
    TritonModelRunner runner = connect(caller, meter);
    try {
      // A server loads several at once.
      SideBySide.forEach(names, names.size(), name -> load(runner, repository, name));
      return runner;
    } catch (RuntimeException e) {
      runner.close();
      throw e;
    }
  }

  private void load(TritonModelRunner runner, BundleRepository repository, String name) {
    switch (models) {
      case NAMED -> runner.load(name);
      case SENT -> runner.load(repository.models().resolve(name));
    }
  }

  /**
   * Has a runner that was opened with these settings load one more model, verified by the caller.
   *
   * @throws ModelException when it does not load
   */
  void load(ModelRunner runner, BundleRepository repository, String name) {
    if (runner instanceof TritonModelRunner triton) {
      load(triton, repository, name);
    } else {
      runner.load(repository.models().resolve(name));
    }
  }

  /** Takes a model out that nothing here uses any more; servers may have it for others. */
  void unload(ModelRunner runner, String name) {
    if (isEmbedded()) {
      runner.unload(name);
    }
  }

  private TritonModelRunner connect(Caller caller, Meter meter) {
    TritonModelRunner runner =
        TritonModelRunner.connect(
            new TritonSettings(
                targets, caller.credentials(), keepAlive, UNLOAD_DELAY, caller.interceptors()),
            meter);
    try {
      runner.awaitServer(patience);
      return runner;
    } catch (ModelException e) {
      runner.close();
      throw Caller.tlsFailure(e)
          .map(why -> new ModelException(e.reason(), e.getMessage() + ": " + why, e))
          .orElse(e);
    } catch (RuntimeException e) {
      runner.close();
      throw e;
    }
  }
}

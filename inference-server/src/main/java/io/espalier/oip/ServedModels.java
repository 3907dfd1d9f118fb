package io.espalier.oip;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.embedded.CallStatistics;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.server.RequestException;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/** The engine's models as requests name them: by a name and, if they like, a version. */
final class ServedModels {
  private final EmbeddedModelRunner engine;
  private final Map<String, String> unavailable = new ConcurrentHashMap<>();

  ServedModels(EmbeddedModelRunner engine) {
    this.engine = engine;
  }

  /**
   * A loaded model.
   *
   * @param version a number, or empty for the one that is served
   * @throws RequestException in Triton's words when there is none
   */
  ServedModel get(String name, String version) {
    long asked = version.isEmpty() ? 0 : version(version);
    ServedModel model;
    try {
      model = new ServedModel(engine.settings(name), engine.spec(name));
    } catch (ModelException e) {
      throw missing(name, version, e.reason());
    }
    if (!version.isEmpty() && asked != model.settings().version()) {
      throw RequestException.notFound(unknown(name) + " version " + asked + " is not found");
    }
    return model;
  }

  /** Whether such a model is loaded; a version that is no number is an error all the same. */
  boolean isReady(String name, String version) {
    long asked = version.isEmpty() ? 0 : version(version);
    try {
      return version.isEmpty() ? engine.isReady(name) : engine.settings(name).version() == asked;
    } catch (ModelException e) {
      return false;
    }
  }

  CallStatistics statistics(String name) {
    try {
      return engine.statistics(name);
    } catch (ModelException e) {
      throw missing(name, "", e.reason());
    }
  }

  /** Names of the loaded models, in order. */
  Set<String> loaded() {
    return new TreeSet<>(engine.loaded());
  }

  /** Names of the loaded models and of those of the repository, in order. */
  Set<String> known() {
    Set<String> names = loaded();
    names.addAll(engine.repository());
    names.addAll(unavailable.keySet());
    return names;
  }

  /** Why a model that was loaded, or should have been, is not; empty where nobody asked for it. */
  String whyUnavailable(String name) {
    return unavailable.getOrDefault(name, "");
  }

  void nowUnavailable(String name, String reason) {
    unavailable.put(name, reason);
  }

  void nowLoaded(String name) {
    unavailable.remove(name);
  }

  /** The refusal of a request for a model that the engine does not hold. */
  RequestException missing(String name, String version, Reason reason) {
    if (reason == Reason.UNKNOWN_MODEL && !unavailable.containsKey(name)) {
      return RequestException.notFound(unknown(name) + " is not found");
    }
    return version.isEmpty()
        ? RequestException.notFound(unknown(name) + " has no available versions")
        : RequestException.unavailable(
            unknown(name) + " version " + version + " is not at ready state");
  }

  private static String unknown(String name) {
    return "Request for unknown model: '" + name + "'";
  }

  private static long version(String text) {
    if (!text.matches("-?[0-9]{1,18}")) {
      throw RequestException.invalidArgument(
          "failed to get model version from specified version string '"
              + text
              + "' (details: stol), version should be an integral value > 0");
    }
    long version = Long.parseLong(text);
    if (version < 0) {
      throw RequestException.invalidArgument(
          "invalid model version specified '"
              + text
              + "' , version should be an integral value > 0");
    }
    return version;
  }
}

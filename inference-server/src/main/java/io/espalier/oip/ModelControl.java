package io.espalier.oip;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import io.espalier.inference.oip.v2.ModelRepositoryParameter;
import io.espalier.inference.oip.v2.ModelRepositoryParameter.ParameterChoiceCase;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.server.RequestException;
import java.io.IOException;
import java.util.function.Consumer;

/** Loads and unloads models when clients ask. */
final class ModelControl {
  private final EmbeddedModelRunner engine;
  private final ServedModels models;
  private final boolean allowed;
  private final Consumer<String> check;

  /**
   * @param allowed whether clients may
   * @param check throws a {@link ModelException} for a model of the repository that may not be
   *     loaded
   */
  ModelControl(
      EmbeddedModelRunner engine, ServedModels models, boolean allowed, Consumer<String> check) {
    this.engine = engine;
    this.models = models;
    this.allowed = allowed;
    this.check = check;
  }

  boolean allowed() {
    return allowed;
  }

  /** Loads a model of the repository, or one that the request brings along. */
  void load(RepositoryModelLoadRequest request) {
    requireAllowed();
    String model = request.getModelName();
    request.getParametersMap().forEach(ModelControl::check);
    try {
      if (request.getParametersMap().isEmpty()) {
        if (engine.repository().contains(model)) {
          check.accept(model);
        }
        engine.load(model);
      } else {
        try (SentModel sent = SentModel.of(request)) {
          engine.reload(sent.folder());
        }
      }
      models.nowLoaded(model);
    } catch (IOException e) {
      throw notPolled(model);
    } catch (ModelException e) {
      if (e.reason() == Reason.UNKNOWN_MODEL) {
        throw notPolled(model);
      }
      models.nowUnavailable(model, String.valueOf(e.getMessage()));
      throw RequestException.invalidArgument(
          "load failed for model '" + model + "': " + e.getMessage());
    }
  }

  /** Takes a model out and returns when its calls have ended; one that is not loaded stays out. */
  void unload(String model) {
    requireAllowed();
    if (engine.isReady(model)) {
      engine.unload(model);
      models.nowUnavailable(model, "unloaded");
    }
  }

  private void requireAllowed() {
    if (!allowed) {
      throw RequestException.unavailable(
          "explicit model load / unload is not allowed if polling is enabled");
    }
  }

  private static void check(String key, ModelRepositoryParameter value) {
    if (key.equals("config")) {
      require(key, value, ParameterChoiceCase.STRING_PARAM, "string_param");
    } else if (key.startsWith("file:")) {
      require(key, value, ParameterChoiceCase.BYTES_PARAM, "bytes_param");
    } else {
      throw RequestException.invalidArgument("unrecognized load parameter '" + key + "'.");
    }
  }

  private static void require(
      String key, ModelRepositoryParameter value, ParameterChoiceCase type, String expected) {
    if (value.getParameterChoiceCase() != type) {
      throw RequestException.invalidArgument(
          "invalid value type for load parameter '" + key + "', expected " + expected + ".");
    }
  }

  private static RequestException notPolled(String model) {
    return RequestException.internal(
        "failed to load '" + model + "', failed to poll from model repository");
  }
}

package io.espalier.oip;

import java.util.List;

/**
 * Which models a server loads, and whether its clients may load others.
 *
 * @param control whether clients load and unload models
 * @param load names of the models to load at the start, or {@code *} alone for each of the
 *     repository
 */
public record InferenceSettings(Control control, List<String> load) {
  private static final List<String> ALL = List.of("*");

  /** Triton's {@code --model-control-mode}. */
  public enum Control {
    /** Every model of the repository is served, and that stays so. */
    NONE,
    /** Clients load and unload models, also such as they bring along. */
    EXPLICIT
  }

  public InferenceSettings {
    load = List.copyOf(load);
    if (control == Control.NONE && !load.equals(ALL)) {
      throw new IllegalArgumentException(
          "load: " + load + " (expected: [*], unless control is explicit)");
    }
    if (load.size() > 1 && load.contains("*")) {
      throw new IllegalArgumentException("load: " + load + " (expected: names, or * alone)");
    }
  }

  /** Every model of the repository, and no others. */
  public static InferenceSettings defaults() {
    return new InferenceSettings(Control.NONE, ALL);
  }

  boolean loadsAll() {
    return load.equals(ALL);
  }
}

package io.espalier.inference.repository;

import io.espalier.inference.ModelSpec;
import io.espalier.inference.oip.v2.ModelConfig;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a model folder says of its model.
 *
 * @param config the configuration itself
 * @param version the version that is served
 * @param spec name, batch size and the declared tensors; no tensors where the configuration leaves
 *     them to the graph
 * @param graph the ONNX file of the version that is served
 * @param batching how calls are joined; null runs each by itself
 * @param instances runs that may be under way at once
 * @param session how the engine executes the graph
 * @param warmUps calls to run before the model is ready
 */
public record ModelSettings(
    ModelConfig config,
    long version,
    ModelSpec spec,
    Path graph,
    @Nullable Batching batching,
    int instances,
    SessionSettings session,
    List<WarmUp> warmUps) {
  public ModelSettings {
    warmUps = List.copyOf(warmUps);
  }
}

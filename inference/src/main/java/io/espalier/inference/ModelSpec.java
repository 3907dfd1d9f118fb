package io.espalier.inference;

import java.util.List;

/**
 * What a model takes and gives.
 *
 * @param name the model's name
 * @param maxBatchSize most rows of one call; 0 when the model has no batch dimension
 * @param inputs its inputs
 * @param outputs its outputs
 */
public record ModelSpec(
    String name, int maxBatchSize, List<TensorSpec> inputs, List<TensorSpec> outputs) {
  public ModelSpec {
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
  }

  /**
   * Name, type and shape of a tensor.
   *
   * @param name the tensor's name
   * @param type its element type
   * @param dims its shape without the batch dimension; −1 where any size is taken
   */
  public record TensorSpec(String name, DataType type, List<Long> dims) {
    public TensorSpec {
      dims = List.copyOf(dims);
    }
  }
}

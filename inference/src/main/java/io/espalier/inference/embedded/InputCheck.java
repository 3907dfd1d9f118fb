package io.espalier.inference.embedded;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import java.util.List;
import java.util.Map;

/** Checks a call's tensors against a model's specification before the call may queue. */
final class InputCheck {
  private final ModelSpec spec;

  InputCheck(ModelSpec spec) {
    this.spec = spec;
  }

  /** The tensors in the order of the model's inputs. */
  Tensor[] ordered(Map<String, Tensor> inputs) {
    List<TensorSpec> specs = spec.inputs();
    Tensor[] ordered = new Tensor[specs.size()];
    for (int i = 0; i < ordered.length; i++) {
      TensorSpec expected = specs.get(i);
      Tensor tensor = inputs.get(expected.name());
      if (tensor == null) {
        throw error(expected.name(), "absent", expected.toString());
      }
      check(expected, tensor);
      ordered[i] = tensor;
    }
    if (inputs.size() != ordered.length) {
      for (String name : inputs.keySet()) {
        if (specs.stream().noneMatch(input -> input.name().equals(name))) {
          throw error(name, "unknown", "one of " + specs.stream().map(TensorSpec::name).toList());
        }
      }
    }
    return ordered;
  }

  /** The batch size that all tensors share; 1 where the model has no batch dimension. */
  int rows(Tensor[] inputs) {
    if (spec.maxBatchSize() == 0) {
      return 1;
    }
    int rows = inputs.length == 0 ? 1 : inputs[0].dim(0);
    for (int i = 0; i < inputs.length; i++) {
      if (inputs[i].dim(0) != rows) {
        throw error(
            spec.inputs().get(i).name(),
            inputs[i] + ": " + inputs[i].dim(0) + " rows",
            rows + ", as " + spec.inputs().getFirst().name());
      }
    }
    if (rows < 1 || rows > spec.maxBatchSize()) {
      throw error("batch", rows, "1.." + spec.maxBatchSize() + " rows");
    }
    return rows;
  }

  private void check(TensorSpec expected, Tensor tensor) {
    int first = spec.maxBatchSize() > 0 ? 1 : 0;
    boolean fits =
        tensor.type() == expected.type() && tensor.rank() == expected.dims().size() + first;
    for (int i = 0; fits && i < expected.dims().size(); i++) {
      long size = expected.dims().get(i);
      fits = size == -1 || size == tensor.dim(first + i);
    }
    if (!fits) {
      throw error(
          expected.name(),
          tensor,
          expected.type() + (first == 1 ? "[rows] + " : "") + expected.dims());
    }
  }

  private ModelException error(String name, Object value, String expected) {
    return new ModelException(
        Reason.INVALID_INPUT,
        spec.name() + ": " + name + ": " + value + " (expected: " + expected + ")");
  }
}

package io.espalier.inference.triton;

import com.google.protobuf.UnsafeByteOperations;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.InferParameter;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelInferResponse.InferOutputTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;

/** Calls and results as messages of the Open Inference Protocol, with raw contents. */
final class InferMessages {
  private InferMessages() {}

  /**
   * The request of a call.
   *
   * @param timeoutMicros how long it may queue; 0 leaves that to the model's configuration
   */
  static ModelInferRequest request(ModelCall call, long timeoutMicros) {
    ModelInferRequest.Builder request =
        ModelInferRequest.newBuilder()
            .setModelName(call.model())
            // Triton counts from 1, and ignores this where the model has no priorities.
            .putParameters(
                "priority",
                InferParameter.newBuilder().setUint64Param(call.priority() + 1L).build());
    if (timeoutMicros > 0) {
      request.putParameters(
          "timeout", InferParameter.newBuilder().setInt64Param(timeoutMicros).build());
    }
    call.inputs()
        .forEach(
            (name, tensor) -> {
              InferInputTensor.Builder input =
                  InferInputTensor.newBuilder().setName(name).setDatatype(tensor.type().name());
              for (long dim : tensor.shape()) {
                input.addShape(dim);
              }
              request.addInputs(input);
              // A tensor does not change after it is made, so its bytes need not be copied.
              request.addRawInputContents(UnsafeByteOperations.unsafeWrap(tensor.data()));
            });
    return request.build();
  }

  /** The outputs of a response. */
  static Map<String, Tensor> outputs(ModelInferResponse response) {
    if (response.getRawOutputContentsCount() != response.getOutputsCount()) {
      throw new ModelException(
          Reason.FAILED,
          response.getModelName()
              + ": "
              + response.getRawOutputContentsCount()
              + " raw contents (expected: one for each of "
              + response.getOutputsCount()
              + " outputs)");
    }
    Map<String, Tensor> outputs = new LinkedHashMap<>();
    for (int i = 0; i < response.getOutputsCount(); i++) {
      InferOutputTensor output = response.getOutputs(i);
      ByteBuffer data =
          response.getRawOutputContents(i).asReadOnlyByteBuffer().order(ByteOrder.nativeOrder());
      long[] shape = output.getShapeList().stream().mapToLong(Long::longValue).toArray();
      try {
        outputs.put(
            output.getName(), Tensor.wrap(DataType.valueOf(output.getDatatype()), data, shape));
      } catch (IllegalArgumentException | ArithmeticException e) {
        throw new ModelException(
            Reason.FAILED,
            response.getModelName() + ": output " + output.getName() + ": " + e.getMessage(),
            e);
      }
    }
    return outputs;
  }
}

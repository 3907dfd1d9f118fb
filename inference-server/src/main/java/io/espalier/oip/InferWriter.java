package io.espalier.oip;

import com.google.protobuf.UnsafeByteOperations;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.InferParameter;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferRequestedOutputTensor;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelInferResponse.InferOutputTensor;
import java.util.Map;

/** Outputs as messages, with raw contents. */
final class InferWriter {
  private InferWriter() {}

  /** The outputs that a request asks for, in the model's order; all of them where it names none. */
  static ModelInferResponse response(
      ModelInferRequest request, ServedModel model, Map<String, Tensor> outputs) {
    ModelInferResponse.Builder response =
        ModelInferResponse.newBuilder()
            .setModelName(model.name())
            .setModelVersion(Long.toString(model.settings().version()))
            .setId(request.getId());
    for (TensorSpec output : model.spec().outputs()) {
      Tensor tensor = outputs.get(output.name());
      if (tensor == null || !asked(request, output.name())) {
        continue;
      }
      InferOutputTensor.Builder message =
          response.addOutputsBuilder().setName(output.name()).setDatatype(tensor.type().name());
      for (long dim : tensor.shape()) {
        message.addShape(dim);
      }
      // A tensor does not change after it is made, so its bytes need not be copied.
      response.addRawOutputContents(UnsafeByteOperations.unsafeWrap(tensor.data()));
    }
    return response.build();
  }

  /** Marks a response of a stream as its request's only one. */
  static ModelInferResponse last(ModelInferResponse response) {
    return response.toBuilder()
        .putParameters(
            "triton_final_response", InferParameter.newBuilder().setBoolParam(true).build())
        .build();
  }

  private static boolean asked(ModelInferRequest request, String output) {
    if (request.getOutputsCount() == 0) {
      return true;
    }
    for (InferRequestedOutputTensor one : request.getOutputsList()) {
      if (one.getName().equals(output)) {
        return true;
      }
    }
    return false;
  }
}

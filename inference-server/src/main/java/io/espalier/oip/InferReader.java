package io.espalier.oip;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.InferParameter;
import io.espalier.inference.oip.v2.InferParameter.ParameterChoiceCase;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import io.espalier.inference.oip.v2.ModelInferRequest.InferRequestedOutputTensor;
import io.espalier.server.RequestException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Reads a request into a call of the engine, with the checks of Triton 2.51, in its order, and in
 * its words: clients look at them to tell one refusal from another.
 */
final class InferReader {
  private static final Map<String, DataType> TYPES =
      Arrays.stream(DataType.values())
          .collect(Collectors.toUnmodifiableMap(DataType::name, type -> type));

  private static final String BATCH_NOTE =
      ". NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to"
          + " be prepended to each input shape. If you want to specify the full shape including"
          + " the batch dim in your input dims config, try setting max_batch_size to zero. See the"
          + " model configuration docs for more info on max_batch_size.";

  private final ModelInferRequest request;
  private final ServedModel model;
  private long priority;
  private long timeoutMicros;

  InferReader(ModelInferRequest request, ServedModel model) {
    this.request = request;
    this.model = model;
  }

  /** How a refusal names the request. */
  static String by(ModelInferRequest request) {
    return "[request id: " + (request.getId().isEmpty() ? "<id_unknown>" : request.getId()) + "] ";
  }

  ModelCall call(long deadlineNanos) {
    request.getParametersMap().forEach(this::parameter);
    ByteBuffer[] data = data();
    outputs();
    names();
    if (model.batched()) {
      rows();
    }
    Map<String, Tensor> inputs = new HashMap<>();
    for (int i = 0; i < data.length; i++) {
      inputs.put(request.getInputs(i).getName(), tensor(request.getInputs(i), data[i]));
    }
    return new ModelCall(
        model.name(),
        inputs,
        deadlineNanos,
        model.priority(priority),
        TimeUnit.MICROSECONDS.toNanos(Math.max(0, timeoutMicros)));
  }

  private void parameter(String key, InferParameter value) {
    ParameterChoiceCase type = value.getParameterChoiceCase();
    switch (key) {
      case "priority" ->
          priority =
              switch (type) {
                case INT64_PARAM -> notNegative(value.getInt64Param());
                case UINT64_PARAM -> value.getUint64Param();
                default -> throw wrongType(key, "int64_param or uint64_param");
              };
      case "timeout" -> {
        if (type != ParameterChoiceCase.INT64_PARAM) {
          throw wrongType(key, "int64_param");
        }
        timeoutMicros = value.getInt64Param();
      }
      case "sequence_start", "sequence_end" -> {
        if (type != ParameterChoiceCase.BOOL_PARAM) {
          throw wrongType(key, "bool_param");
        }
      }
      case "triton_enable_empty_final_response" -> {}
      default -> {
        if (key.startsWith("triton_")) {
          throw RequestException.invalidArgument(
              "parameter keys starting with 'triton_' are reserved for Triton usage. Only the"
                  + " following keys starting with 'triton_' are allowed:"
                  + " triton_enable_empty_final_response");
        }
      }
    }
  }

  private static long notNegative(long value) {
    if (value < 0) {
      throw RequestException.invalidArgument("invalid value for 'priority', expected value >= 0.");
    }
    return value;
  }

  private static RequestException wrongType(String key, String expected) {
    return RequestException.invalidArgument(
        "invalid value type for '" + key + "' parameter, expected " + expected + ".");
  }

  /** Each input's bytes, as sent raw or one by one. */
  private ByteBuffer[] data() {
    Set<String> names = new HashSet<>();
    for (InferInputTensor input : request.getInputsList()) {
      if (!names.add(input.getName())) {
        throw refused("input '" + input.getName() + "' already exists in request");
      }
    }
    ByteBuffer[] data = new ByteBuffer[request.getInputsCount()];
    int raw = request.getRawInputContentsCount();
    for (int i = 0; i < request.getInputsCount(); i++) {
      InferInputTensor input = request.getInputs(i);
      noSharedMemory(input.getParametersMap());
      if (input.hasContents() && raw > 0) {
        throw RequestException.invalidArgument(
            "contents field must not be specified when using raw_input_contents for "
                + of(input.getName()));
      }
      if (!input.hasContents() && i >= raw) {
        throw RequestException.invalidArgument(
            "unable to find data for input tensor " + of(input.getName()) + " in request.");
      }
      ByteBuffer bytes =
          input.hasContents()
              ? TypedContents.bytes(input, model.name())
              : request.getRawInputContents(i).asReadOnlyByteBuffer();
      data[i] = bytes.order(ByteOrder.nativeOrder());
    }
    return data;
  }

  /** No region can be registered, so none is ever found. */
  private static void noSharedMemory(Map<String, InferParameter> parameters) {
    InferParameter region = parameters.get("shared_memory_region");
    if (region != null) {
      throw RequestException.notFound(
          "Unable to find shared memory region: '" + region.getStringParam() + "'");
    }
  }

  private void outputs() {
    for (InferRequestedOutputTensor output : request.getOutputsList()) {
      noSharedMemory(output.getParametersMap());
      if (output.containsParameters("classification")) {
        throw RequestException.unimplemented(
            "classification for output '" + output.getName() + "' (expected: the output itself)");
      }
      if (spec(model.spec().outputs(), output.getName()) == null) {
        throw RequestException.invalidArgument(
            "unexpected inference output " + of(output.getName()));
      }
    }
  }

  private void names() {
    List<TensorSpec> expected = model.spec().inputs();
    List<InferInputTensor> given = request.getInputsList();
    if (given.size() != expected.size()) {
      List<String> names = given.stream().map(InferInputTensor::getName).toList();
      throw refused(
          "expected "
              + expected.size()
              + " inputs but got "
              + given.size()
              + " inputs for model '"
              + model.name()
              + "'. Got input(s) ["
              + quoted(names)
              + "], but missing required input(s) ["
              + quoted(
                  expected.stream()
                      .map(TensorSpec::name)
                      .filter(name -> !names.contains(name))
                      .toList())
              + "]. Please provide all required input(s).");
    }
    for (InferInputTensor input : given) {
      if (spec(expected, input.getName()) == null) {
        throw RequestException.invalidArgument("unexpected inference input " + of(input.getName()));
      }
    }
  }

  private void rows() {
    long rows = -1;
    for (InferInputTensor input : request.getInputsList()) {
      if (input.getShapeCount() == 0) {
        throw refused(
            "input '"
                + input.getName()
                + "' has no shape but model requires batch dimension for '"
                + model.name()
                + "'");
      }
      if (rows >= 0 && input.getShape(0) != rows) {
        throw refused(
            "input '"
                + input.getName()
                + "' batch size does not match other inputs for '"
                + model.name()
                + "'");
      }
      rows = input.getShape(0);
    }
    if (rows > model.spec().maxBatchSize()) {
      throw refused(
          "inference request batch-size must be <= "
              + model.spec().maxBatchSize()
              + " for '"
              + model.name()
              + "'");
    }
  }

  /** An input that the model has. */
  private Tensor tensor(InferInputTensor input, ByteBuffer data) {
    TensorSpec spec =
        Objects.requireNonNull(spec(model.spec().inputs(), input.getName()), input.getName());
    DataType type = TYPES.get(input.getDatatype());
    if (type != spec.type()) {
      throw refused(
          "inference input '"
              + input.getName()
              + "' data-type is '"
              + (type == null ? "<invalid>" : type.name())
              + "', but model '"
              + model.name()
              + "' expects '"
              + spec.type()
              + "'");
    }
    shape(input, spec);
    if (type == DataType.BYTES) {
      texts(input, data);
    } else {
      size(input, type, data);
    }
    long[] shape = input.getShapeList().stream().mapToLong(Long::longValue).toArray();
    try {
      return Tensor.wrap(type, data, shape);
    } catch (IllegalArgumentException | ArithmeticException e) {
      // Dimensions that overflow to the size of the data.
      throw wrongSize(input, "the size of " + input.getShapeList(), data);
    }
  }

  private void size(InferInputTensor input, DataType type, ByteBuffer data) {
    long expected = type.bytes() * elements(input);
    if (expected != data.remaining()) {
      throw wrongSize(input, Long.toString(expected), data);
    }
  }

  private long elements(InferInputTensor input) {
    long elements = 1;
    for (int axis = 0; axis < input.getShapeCount(); axis++) {
      // No rows are as one, since a batch has at least one.
      long size = input.getShape(axis);
      elements *= axis == 0 && model.batched() && size == 0 ? 1 : size;
    }
    return elements;
  }

  private void texts(InferInputTensor input, ByteBuffer data) {
    String name = "'" + input.getName() + "'";
    String of = name + " for model '" + model.name() + "'";
    ByteBuffer left = data.slice().order(ByteOrder.nativeOrder());
    long count = 0;
    while (left.hasRemaining()) {
      if (left.remaining() < DataType.BYTES.bytes()) {
        throw refused(
            "incomplete string length indicator for inference input "
                + of
                + ", expecting 4 bytes but only "
                + left.remaining()
                + " bytes available. Please make sure the string length indicator is in one"
                + " buffer.");
      }
      int length = left.getInt();
      if (Integer.compareUnsigned(length, left.remaining()) > 0) {
        throw RequestException.invalidArgument(
            "incomplete string data for inference input "
                + name
                + ", expecting string of length "
                + Integer.toUnsignedString(length)
                + " but only "
                + left.remaining()
                + " bytes available");
      }
      left.position(left.position() + length);
      count++;
    }
    long expected = elements(input);
    if (count > expected) {
      throw refused(
          "unexpected number of string elements "
              + (expected + 1)
              + " for inference input "
              + of
              + ", expecting "
              + expected);
    }
    if (count < expected) {
      throw refused(
          "expected " + expected + " string elements for inference input " + of + ", got " + count);
    }
  }

  private void shape(InferInputTensor input, TensorSpec spec) {
    int first = model.batched() ? 1 : 0;
    boolean fits = input.getShapeCount() == spec.dims().size() + first;
    for (int i = 0; fits && i < spec.dims().size(); i++) {
      long size = spec.dims().get(i);
      fits = size == -1 || size == input.getShape(first + i);
    }
    if (!fits) {
      throw refused(
          "unexpected shape for input "
              + of(input.getName())
              + ". Expected ["
              + (first == 1 ? "-1," : "")
              + list(spec.dims())
              + "], got ["
              + list(input.getShapeList())
              + "]"
              + (first == 1 ? BATCH_NOTE : ". "));
    }
    if (input.getShapeList().contains(-1L)) {
      throw refused(
          "All input dimensions should be specified for input "
              + of(input.getName())
              + ", got ["
              + list(input.getShapeList())
              + "]");
    }
  }

  private RequestException wrongSize(InferInputTensor input, String expected, ByteBuffer data) {
    return refused(
        "input byte size mismatch for input "
            + of(input.getName())
            + ". Expected "
            + expected
            + ", got "
            + data.remaining());
  }

  private RequestException refused(String message) {
    return RequestException.invalidArgument(by(request) + message);
  }

  private String of(String tensor) {
    return "'" + tensor + "' for model '" + model.name() + "'";
  }

  private static @Nullable TensorSpec spec(List<TensorSpec> specs, String name) {
    for (TensorSpec spec : specs) {
      if (spec.name().equals(name)) {
        return spec;
      }
    }
    return null;
  }

  private static String quoted(List<String> names) {
    return names.stream().map(name -> "'" + name + "'").collect(Collectors.joining(","));
  }

  private static String list(List<Long> dims) {
    return dims.stream().map(String::valueOf).collect(Collectors.joining(","));
  }
}

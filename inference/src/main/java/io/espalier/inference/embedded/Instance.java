package io.espalier.inference.embedded;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.CallStatistics.RunTime;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Runs a batch of calls as one: gathers their rows in direct buffers of its own, which grow as
 * needed and are used again, and gives each call its rows of the outputs. One thread at a time.
 */
final class Instance {
  private static final int SMALLEST_BUFFER = 1024;

  private final ModelSpec spec;
  private final OrtEnvironment environment;
  private final OrtSession session;
  private final ByteBuffer[] buffers;
  private final Set<String> outputs = new LinkedHashSet<>();
  private RunTime lastRun = RunTime.NONE;

  Instance(ModelSpec spec, OrtEnvironment environment, OrtSession session) {
    this.spec = spec;
    this.environment = environment;
    this.session = session;
    this.buffers = new ByteBuffer[spec.inputs().size()];
    Arrays.setAll(buffers, i -> buffer(SMALLEST_BUFFER));
    for (TensorSpec output : spec.outputs()) {
      outputs.add(output.name());
    }
  }

  /**
   * Runs calls that join.
   *
   * @return each call's outputs, in the order of the calls
   */
  List<Map<String, Tensor>> run(List<QueuedCall> calls) throws OrtException {
    Map<String, OnnxTensor> inputs = new LinkedHashMap<>();
    long start = System.nanoTime();
    try {
      for (int i = 0; i < buffers.length; i++) {
        inputs.put(spec.inputs().get(i).name(), gather(i, calls));
      }
      long gathered = System.nanoTime();
      try (OrtSession.Result result = session.run(inputs, outputs)) {
        long ran = System.nanoTime();
        List<Map<String, Tensor>> shares = scatter(calls, result);
        lastRun = new RunTime(gathered - start, ran - gathered, System.nanoTime() - ran);
        return shares;
      }
    } finally {
      inputs.values().forEach(OnnxTensor::close);
    }
  }

  /** What the parts of the last run that ended well took. */
  RunTime lastRun() {
    return lastRun;
  }

  private OnnxTensor gather(int input, List<QueuedCall> calls) throws OrtException {
    if (spec.inputs().get(input).type() == DataType.BYTES) {
      List<Tensor> texts = calls.stream().map(call -> call.input(input)).toList();
      return OnnxTensor.createTensor(
          environment,
          Texts.of(spec.name() + ": " + spec.inputs().get(input).name(), texts),
          shape(input, calls));
    }
    int bytes = 0;
    for (QueuedCall call : calls) {
      bytes = Math.addExact(bytes, call.input(input).byteSize());
    }
    if (buffers[input].capacity() < bytes) {
      buffers[input] = buffer((int) Math.min(Integer.MAX_VALUE, bytes * 3L / 2));
    }
    ByteBuffer buffer = buffers[input].clear();
    for (QueuedCall call : calls) {
      buffer.put(call.input(input).data());
    }
    return OnnxTensor.createTensor(
        environment,
        buffer.flip(),
        shape(input, calls),
        Graph.type(calls.getFirst().input(input).type()));
  }

  private long[] shape(int input, List<QueuedCall> calls) {
    long[] shape = calls.getFirst().input(input).shape();
    if (spec.maxBatchSize() > 0) {
      shape[0] = rows(calls);
    }
    return shape;
  }

  private static int rows(List<QueuedCall> calls) {
    int rows = 0;
    for (QueuedCall call : calls) {
      rows += call.rows();
    }
    return rows;
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  private List<Map<String, Tensor>> scatter(List<QueuedCall> calls, OrtSession.Result result)
      throws OrtException {
    List<Map<String, Tensor>> shares = new ArrayList<>(calls.size());
    for (int i = 0; i < calls.size(); i++) {
      shares.add(LinkedHashMap.newLinkedHashMap(spec.outputs().size()));
    }
    for (Map.Entry<String, OnnxValue> output : result) {
      scatter(output.getKey(), (OnnxTensor) output.getValue(), calls, shares);
    }
    return shares;
  }

  private void scatter(
      String name, OnnxTensor output, List<QueuedCall> calls, List<Map<String, Tensor>> shares)
      throws OrtException {
    DataType type = Graph.type(output.getInfo().type);
    long[] shape = output.getInfo().getShape();
    int rows = rows(calls);
    if (spec.maxBatchSize() > 0 && (shape.length == 0 || shape[0] != rows)) {
      throw new ModelException(
          Reason.FAILED,
          spec.name()
              + ": output "
              + name
              + ": "
              + Arrays.toString(shape)
              + " (expected: "
              + rows
              + " rows)");
    }
    if (type == DataType.BYTES) {
      scatterTexts(name, Texts.flat(output.getValue()), shape, calls, shares);
      return;
    }
    // ONNX Runtime frees its output when the result closes; this copy is the caller's to keep.
    ByteBuffer all = output.getByteBuffer();
    if (spec.maxBatchSize() == 0) {
      shares.getFirst().put(name, Tensor.wrap(type, all, shape));
      return;
    }
    int rowBytes = all.capacity() / rows;
    int offset = 0;
    for (int i = 0; i < calls.size(); i++) {
      int bytes = rowBytes * calls.get(i).rows();
      shape[0] = calls.get(i).rows();
      ByteBuffer share = all.slice(offset, bytes).order(ByteOrder.nativeOrder());
      shares.get(i).put(name, Tensor.wrap(type, share, shape));
      offset += bytes;
    }
  }

  private void scatterTexts(
      String name,
      List<String> all,
      long[] shape,
      List<QueuedCall> calls,
      List<Map<String, Tensor>> shares) {
    if (spec.maxBatchSize() == 0) {
      shares.getFirst().put(name, Texts.tensor(all, shape));
      return;
    }
    int ofRow = all.size() / rows(calls);
    int offset = 0;
    for (int i = 0; i < calls.size(); i++) {
      int end = offset + ofRow * calls.get(i).rows();
      shape[0] = calls.get(i).rows();
      shares.get(i).put(name, Texts.tensor(all.subList(offset, end), shape));
      offset = end;
    }
  }
}

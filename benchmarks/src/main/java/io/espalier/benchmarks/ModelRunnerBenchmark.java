package io.espalier.benchmarks;

import static java.util.Objects.requireNonNull;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a call of the embedded engine costs beside ONNX Runtime itself: the same single-row call
 * through {@code ModelRunner}, and on a bare session whose input buffers are made once.
 *
 * <p>The difference of the two is queueing, two thread switches, gathering and copying out.
 */
@State(Scope.Benchmark)
@BenchmarkMode({Mode.AverageTime, Mode.SampleTime})
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(
    value = 1,
    jvmArgsAppend = {"--enable-native-access=ALL-UNNAMED", "-XX:+UseCompactObjectHeaders"})
public class ModelRunnerBenchmark {
  @Param("model-repo/models")
  private String repository = "";

  @Param("beauty-e4srec-user")
  private String model = "";

  private @Nullable Opened opened;

  /** What both sides of the comparison use. */
  private record Opened(
      EmbeddedModelRunner runner,
      List<TensorSpec> inputs,
      Map<String, Tensor> call,
      OrtEnvironment environment,
      OrtSession session,
      Map<String, ByteBuffer> buffers) {}

  @Setup(Level.Trial)
  public void open() throws OrtException {
    Path models = Path.of(System.getProperty("espalier.root", ".")).resolve(repository);
    EmbeddedModelRunner runner = new EmbeddedModelRunner(models);
    runner.load(model);
    List<TensorSpec> inputs = runner.spec(model).inputs();
    Map<String, Tensor> call = new LinkedHashMap<>();
    Map<String, ByteBuffer> buffers = new LinkedHashMap<>();
    for (TensorSpec input : inputs) {
      Tensor zeros =
          Tensor.wrap(input.type(), Tensor.allocate(input.type(), shape(input)), shape(input));
      call.put(input.name(), zeros);
      buffers.put(
          input.name(), ByteBuffer.allocateDirect(zeros.byteSize()).order(ByteOrder.nativeOrder()));
    }
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(1);
      OrtSession session =
          environment.createSession(
              models.resolve(model).resolve("1/model.onnx").toString(), options);
      opened = new Opened(runner, inputs, call, environment, session, buffers);
    }
  }

  @TearDown(Level.Trial)
  public void close() throws OrtException {
    Opened both = requireNonNull(opened);
    both.runner().close();
    both.session().close();
  }

  @Benchmark
  public Map<String, Tensor> runner() {
    Opened both = requireNonNull(opened);
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
    return both.runner().infer(new ModelCall(model, both.call(), deadline)).join();
  }

  @Benchmark
  public ByteBuffer bare() throws OrtException {
    Opened both = requireNonNull(opened);
    Map<String, OnnxTensor> inputs = new LinkedHashMap<>();
    try {
      for (TensorSpec input : both.inputs()) {
        inputs.put(
            input.name(),
            OnnxTensor.createTensor(
                both.environment(),
                requireNonNull(both.buffers().get(input.name())),
                shape(input),
                input.type() == DataType.INT64 ? OnnxJavaType.INT64 : OnnxJavaType.FLOAT));
      }
      try (OrtSession.Result result = both.session().run(inputs)) {
        return ((OnnxTensor) result.get(0)).getByteBuffer();
      }
    } finally {
      inputs.values().forEach(OnnxTensor::close);
    }
  }

  private static long[] shape(TensorSpec input) {
    long[] shape = new long[input.dims().size() + 1];
    shape[0] = 1;
    for (int i = 0; i < input.dims().size(); i++) {
      shape[i + 1] = Math.max(1, input.dims().get(i));
    }
    return shape;
  }
}

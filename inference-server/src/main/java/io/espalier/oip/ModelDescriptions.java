package io.espalier.oip;

import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.embedded.CallStatistics;
import io.espalier.inference.embedded.CallStatistics.Spent;
import io.espalier.inference.oip.v2.DataType;
import io.espalier.inference.oip.v2.InferBatchStatistics;
import io.espalier.inference.oip.v2.InferStatistics;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelInput;
import io.espalier.inference.oip.v2.ModelInstanceGroup;
import io.espalier.inference.oip.v2.ModelMetadataResponse;
import io.espalier.inference.oip.v2.ModelMetadataResponse.TensorMetadata;
import io.espalier.inference.oip.v2.ModelOutput;
import io.espalier.inference.oip.v2.ModelStatistics;
import io.espalier.inference.oip.v2.ModelVersionPolicy;
import io.espalier.inference.oip.v2.StatisticDuration;
import java.util.Map;
import java.util.TreeMap;

/** What a loaded model is, as messages. */
final class ModelDescriptions {
  private ModelDescriptions() {}

  static ModelMetadataResponse metadata(ServedModel model) {
    ModelMetadataResponse.Builder metadata =
        ModelMetadataResponse.newBuilder()
            .setName(model.name())
            .addVersions(Long.toString(model.settings().version()))
            .setPlatform("onnxruntime_onnx");
    model.spec().inputs().forEach(input -> metadata.addInputs(tensor(model, input)));
    model.spec().outputs().forEach(output -> metadata.addOutputs(tensor(model, output)));
    return metadata.build();
  }

  private static TensorMetadata tensor(ServedModel model, TensorSpec spec) {
    TensorMetadata.Builder tensor =
        TensorMetadata.newBuilder().setName(spec.name()).setDatatype(spec.type().name());
    if (model.batched()) {
      tensor.addShape(-1);
    }
    return tensor.addAllShape(spec.dims()).build();
  }

  /** The configuration with what the folder leaves out, as Triton completes it. */
  static ModelConfig config(ServedModel model) {
    ModelConfig.Builder config =
        model.settings().config().toBuilder()
            .setName(model.name())
            .setPlatform("onnxruntime_onnx")
            .setBackend("onnxruntime");
    if (config.getDefaultModelFilename().isEmpty()) {
      config.setDefaultModelFilename("model.onnx");
    }
    if (!config.hasVersionPolicy()) {
      config.setVersionPolicy(
          ModelVersionPolicy.newBuilder()
              .setLatest(ModelVersionPolicy.Latest.newBuilder().setNumVersions(1)));
    }
    if (config.getInputCount() == 0) {
      for (TensorSpec input : model.spec().inputs()) {
        config.addInput(
            ModelInput.newBuilder()
                .setName(input.name())
                .setDataType(type(input))
                .addAllDims(input.dims()));
      }
    }
    if (config.getOutputCount() == 0) {
      for (TensorSpec output : model.spec().outputs()) {
        config.addOutput(
            ModelOutput.newBuilder()
                .setName(output.name())
                .setDataType(type(output))
                .addAllDims(output.dims()));
      }
    }
    config
        .clearInstanceGroup()
        .addInstanceGroup(
            ModelInstanceGroup.newBuilder()
                .setName(model.name())
                .setKind(ModelInstanceGroup.Kind.KIND_CPU)
                .setCount(model.settings().instances()));
    return config.build();
  }

  private static DataType type(TensorSpec spec) {
    return spec.type() == io.espalier.inference.DataType.BYTES
        ? DataType.TYPE_STRING
        : DataType.valueOf("TYPE_" + spec.type());
  }

  static ModelStatistics statistics(ServedModel model, CallStatistics calls) {
    ModelStatistics.Builder statistics =
        ModelStatistics.newBuilder()
            .setName(model.name())
            .setVersion(Long.toString(model.settings().version()))
            .setLastInference(calls.lastRunMillis())
            .setInferenceCount(calls.rows())
            .setExecutionCount(calls.runs())
            .setInferenceStats(
                InferStatistics.newBuilder()
                    .setSuccess(duration(calls.success()))
                    .setFail(duration(calls.fail()))
                    .setQueue(duration(calls.queue()))
                    .setComputeInput(duration(calls.input()))
                    .setComputeInfer(duration(calls.infer()))
                    .setComputeOutput(duration(calls.output()))
                    .setCacheHit(StatisticDuration.getDefaultInstance())
                    .setCacheMiss(StatisticDuration.getDefaultInstance()));
    for (Map.Entry<Integer, CallStatistics.Runs> size : new TreeMap<>(calls.byRows()).entrySet()) {
      CallStatistics.Runs runs = size.getValue();
      statistics.addBatchStats(
          InferBatchStatistics.newBuilder()
              .setBatchSize(size.getKey())
              .setComputeInput(duration(runs.count(), runs.inputNanos()))
              .setComputeInfer(duration(runs.count(), runs.inferNanos()))
              .setComputeOutput(duration(runs.count(), runs.outputNanos())));
    }
    return statistics.build();
  }

  private static StatisticDuration duration(Spent spent) {
    return duration(spent.count(), spent.nanos());
  }

  private static StatisticDuration duration(long count, long nanos) {
    return StatisticDuration.newBuilder().setCount(count).setNs(nanos).build();
  }
}

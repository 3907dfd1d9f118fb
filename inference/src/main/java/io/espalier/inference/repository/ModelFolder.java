package io.espalier.inference.repository;

import com.google.protobuf.ByteString;
import com.google.protobuf.TextFormat;
import io.espalier.inference.DataType;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.Tensor;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelDynamicBatching;
import io.espalier.inference.oip.v2.ModelInput;
import io.espalier.inference.oip.v2.ModelInstanceGroup;
import io.espalier.inference.oip.v2.ModelOutput;
import io.espalier.inference.oip.v2.ModelParameter;
import io.espalier.inference.oip.v2.ModelQueuePolicy;
import io.espalier.inference.oip.v2.ModelWarmup;
import io.espalier.inference.repository.QueuePolicy.TimeoutAction;
import io.espalier.inference.repository.SessionSettings.Optimization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Reads one model folder of Triton's layout: {@code config.pbtxt} and numbered version folders.
 *
 * <p>Every error is a {@link ModelException} (not ready) that names the file, the field and what
 * was expected; a field that this engine would not obey is an error too.
 */
public final class ModelFolder {
  /** What Triton's ONNX Runtime backend runs at once on a CPU when the model does not say. */
  private static final int DEFAULT_INSTANCES = 2;

  private static final TextFormat.Parser PARSER =
      TextFormat.Parser.newBuilder()
          .setSingularOverwritePolicy(
              TextFormat.Parser.SingularOverwritePolicy.FORBID_SINGULAR_OVERWRITES)
          .build();

  private final Path folder;
  private final Path file;

  private ModelFolder(Path folder) {
    this.folder = folder;
    this.file = folder.resolve("config.pbtxt");
  }

  /** Reads and checks a model folder. */
  public static ModelSettings read(Path folder) {
    return new ModelFolder(folder).read();
  }

  private ModelSettings read() {
    ModelConfig config = parse();
    String unsupported = UnsupportedFields.first(config);
    if (unsupported != null) {
      throw error(unsupported, "set", "absent: the embedded engine does not obey it");
    }
    String name = folder.getFileName().toString();
    if (!config.getName().isEmpty() && !config.getName().equals(name)) {
      throw error("name", config.getName(), "the folder's name, " + name);
    }
    oneOf("platform", config.getPlatform(), Set.of("", "onnxruntime_onnx"));
    oneOf("backend", config.getBackend(), Set.of("", "onnxruntime"));
    int maxBatchSize = config.getMaxBatchSize();
    if (maxBatchSize < 0) {
      throw error("max_batch_size", maxBatchSize, ">= 0");
    }
    ModelSpec spec = new ModelSpec(name, maxBatchSize, inputs(config), outputs(config));
    long version = version(config);
    return new ModelSettings(
        config,
        version,
        spec,
        graph(config, version),
        config.hasDynamicBatching() ? batching(config.getDynamicBatching(), maxBatchSize) : null,
        instances(config),
        session(config),
        warmUps(config, spec));
  }

  private ModelConfig parse() {
    try {
      ModelConfig.Builder config = ModelConfig.newBuilder();
      PARSER.merge(Files.readString(file), config);
      return config.build();
    } catch (TextFormat.ParseException e) {
      throw new ModelException(Reason.NOT_READY, file + ": " + e.getMessage(), e);
    } catch (IOException e) {
      throw new ModelException(Reason.NOT_READY, file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private List<TensorSpec> inputs(ModelConfig config) {
    List<TensorSpec> specs = new ArrayList<>();
    for (int i = 0; i < config.getInputCount(); i++) {
      ModelInput input = config.getInput(i);
      specs.add(
          tensor("input[" + i + "]", input.getName(), input.getDataType(), input.getDimsList()));
    }
    return unique("input", specs);
  }

  private List<TensorSpec> outputs(ModelConfig config) {
    List<TensorSpec> specs = new ArrayList<>();
    for (int i = 0; i < config.getOutputCount(); i++) {
      ModelOutput output = config.getOutput(i);
      specs.add(
          tensor(
              "output[" + i + "]", output.getName(), output.getDataType(), output.getDimsList()));
    }
    return unique("output", specs);
  }

  private List<TensorSpec> unique(String field, List<TensorSpec> specs) {
    Set<String> names = new HashSet<>();
    for (TensorSpec spec : specs) {
      if (!names.add(spec.name())) {
        throw error(field, spec.name(), "one of each name");
      }
    }
    return specs;
  }

  private TensorSpec tensor(
      String field, String name, io.espalier.inference.oip.v2.DataType type, List<Long> dims) {
    if (name.isEmpty()) {
      throw error(field + ".name", "absent", "the tensor's name");
    }
    if (dims.isEmpty()) {
      throw error(field + ".dims", "absent", "at least one dimension");
    }
    for (long dim : dims) {
      if (dim < 1 && dim != -1) {
        throw error(field + ".dims", dims, "sizes >= 1, or -1");
      }
    }
    return new TensorSpec(name, type(field + ".data_type", type), dims);
  }

  private DataType type(String field, io.espalier.inference.oip.v2.DataType type) {
    return switch (type) {
      case TYPE_BOOL -> DataType.BOOL;
      case TYPE_INT32 -> DataType.INT32;
      case TYPE_INT64 -> DataType.INT64;
      case TYPE_FP16 -> DataType.FP16;
      case TYPE_FP32 -> DataType.FP32;
      case TYPE_STRING -> DataType.BYTES;
      default -> throw error(field, type, "TYPE_BOOL, _INT32, _INT64, _FP16, _FP32 or _STRING");
    };
  }

  private long version(ModelConfig config) {
    NavigableSet<Long> versions = versions();
    if (config.getVersionPolicy().hasLatest()
        && config.getVersionPolicy().getLatest().getNumVersions() != 1) {
      throw error(
          "version_policy.latest.num_versions",
          config.getVersionPolicy().getLatest().getNumVersions(),
          "1: one version of a model is served");
    }
    if (versions.isEmpty()) {
      throw new ModelException(
          Reason.NOT_READY, folder + ": no version (expected: a folder such as 1/)");
    }
    if (config.getVersionPolicy().hasSpecific()) {
      List<Long> asked = config.getVersionPolicy().getSpecific().getVersionsList();
      if (asked.size() != 1 || !versions.contains(asked.getFirst())) {
        throw error("version_policy.specific.versions", asked, "one of " + versions);
      }
      return asked.getFirst();
    }
    return versions.last();
  }

  private Path graph(ModelConfig config, long version) {
    Path versionFolder = folder.resolve(Long.toString(version)).normalize();
    if (config.getDefaultModelFilename().isEmpty()) {
      Path graph = versionFolder.resolve("model.onnx");
      if (!Files.isRegularFile(graph)) {
        throw new ModelException(
            Reason.NOT_READY, graph + ": no such file (expected: the model's graph)");
      }
      return graph;
    }
    Path graph = versionFolder.resolve(config.getDefaultModelFilename()).normalize();
    if (!graph.startsWith(versionFolder) || !Files.isRegularFile(graph)) {
      throw error(
          "default_model_filename", config.getDefaultModelFilename(), "a file of " + versionFolder);
    }
    return graph;
  }

  private NavigableSet<Long> versions() {
    NavigableSet<Long> versions = new TreeSet<>();
    try (Stream<Path> entries = Files.list(folder)) {
      entries
          .filter(Files::isDirectory)
          .map(entry -> entry.getFileName().toString())
          .filter(entry -> entry.matches("[1-9][0-9]{0,17}"))
          .forEach(entry -> versions.add(Long.valueOf(entry)));
    } catch (IOException e) {
      throw new ModelException(Reason.NOT_READY, folder + ": cannot be listed: " + e, e);
    }
    return versions;
  }

  private Batching batching(ModelDynamicBatching config, int maxBatchSize) {
    NavigableSet<Integer> preferred = new TreeSet<>(config.getPreferredBatchSizeList());
    for (int size : preferred) {
      if (size < 1 || size > maxBatchSize) {
        throw error(
            "dynamic_batching.preferred_batch_size",
            preferred,
            "sizes in 1.." + maxBatchSize + ", the max_batch_size");
      }
    }
    int levels = small("dynamic_batching.priority_levels", config.getPriorityLevels());
    long defaultLevel = config.getDefaultPriorityLevel();
    if (levels > 0 && (defaultLevel < 1 || defaultLevel > levels)) {
      throw error("dynamic_batching.default_priority_level", defaultLevel, "1.." + levels);
    }
    Map<Integer, QueuePolicy> policies = new HashMap<>();
    config
        .getPriorityQueuePolicyMap()
        .forEach(
            (level, policy) -> {
              String field = "dynamic_batching.priority_queue_policy[" + level + "]";
              if (level < 1 || level > levels) {
                throw error(field, "set", "levels in 1.." + levels + ", the priority_levels");
              }
              policies.put((int) (level - 1), policy(field, policy));
            });
    return new Batching(
        preferred,
        nanos(
            "dynamic_batching.max_queue_delay_microseconds", config.getMaxQueueDelayMicroseconds()),
        levels,
        policy("dynamic_batching.default_queue_policy", config.getDefaultQueuePolicy()),
        policies);
  }

  private QueuePolicy policy(String field, ModelQueuePolicy policy) {
    TimeoutAction action =
        switch (policy.getTimeoutAction()) {
          case REJECT -> TimeoutAction.REJECT;
          case DELAY -> TimeoutAction.DELAY;
          case UNRECOGNIZED ->
              throw error(
                  field + ".timeout_action", policy.getTimeoutActionValue(), "REJECT or DELAY");
        };
    return new QueuePolicy(
        small(field + ".max_queue_size", Integer.toUnsignedLong(policy.getMaxQueueSize())),
        nanos(field + ".default_timeout_microseconds", policy.getDefaultTimeoutMicroseconds()),
        action,
        policy.getAllowTimeoutOverride());
  }

  private int instances(ModelConfig config) {
    int instances = 0;
    for (int i = 0; i < config.getInstanceGroupCount(); i++) {
      ModelInstanceGroup group = config.getInstanceGroup(i);
      if (group.getKind() != ModelInstanceGroup.Kind.KIND_AUTO
          && group.getKind() != ModelInstanceGroup.Kind.KIND_CPU) {
        throw error(
            "instance_group[" + i + "].kind",
            group.getKind(),
            "KIND_CPU or KIND_AUTO: the embedded engine runs on the CPU");
      }
      if (group.getCount() < 0) {
        throw error("instance_group[" + i + "].count", group.getCount(), ">= 0");
      }
      instances += group.getCount() == 0 ? DEFAULT_INSTANCES : group.getCount();
    }
    return instances == 0 ? DEFAULT_INSTANCES : instances;
  }

  private SessionSettings session(ModelConfig config) {
    if (config.getOptimization().getExecutionAccelerators().getCpuExecutionAcceleratorCount() > 0) {
      throw error(
          "optimization.execution_accelerators.cpu_execution_accelerator[0].name",
          config
              .getOptimization()
              .getExecutionAccelerators()
              .getCpuExecutionAccelerator(0)
              .getName(),
          "none: the embedded engine runs ONNX Runtime's own CPU kernels");
    }
    int intraOp = 1;
    int interOp = 1;
    boolean parallel = false;
    for (Map.Entry<String, ModelParameter> parameter : config.getParametersMap().entrySet()) {
      String field = "parameters[" + parameter.getKey() + "]";
      String value = parameter.getValue().getStringValue();
      switch (parameter.getKey()) {
        case "intra_op_thread_count" -> intraOp = number(field, value, 1024);
        case "inter_op_thread_count" -> interOp = number(field, value, 1024);
        case "execution_mode" -> parallel = number(field, value, 1) == 1;
        default ->
            throw error(
                field,
                "set",
                "intra_op_thread_count, inter_op_thread_count or execution_mode: the embedded"
                    + " engine does not obey it");
      }
    }
    int level = config.getOptimization().getGraph().getLevel();
    Optimization optimization =
        switch (level) {
          case -1 -> Optimization.BASIC;
          case 0 -> Optimization.ALL;
          case 1 -> Optimization.EXTENDED;
          case 2 -> Optimization.NONE;
          default -> throw error("optimization.graph.level", level, "-1, 0, 1 or 2");
        };
    return new SessionSettings(intraOp, interOp, parallel, optimization);
  }

  private List<WarmUp> warmUps(ModelConfig config, ModelSpec spec) {
    List<WarmUp> warmUps = new ArrayList<>();
    for (int i = 0; i < config.getModelWarmupCount(); i++) {
      ModelWarmup warmUp = config.getModelWarmup(i);
      String field = "model_warmup[" + i + "]";
      int rows = small(field + ".batch_size", Integer.toUnsignedLong(warmUp.getBatchSize()));
      if (spec.maxBatchSize() == 0 ? rows > 1 : rows < 1 || rows > spec.maxBatchSize()) {
        throw error(
            field + ".batch_size",
            rows,
            spec.maxBatchSize() == 0
                ? "none: the model has no batch dimension"
                : "1.." + spec.maxBatchSize());
      }
      Map<String, WarmUp.Input> inputs = new HashMap<>();
      warmUp
          .getInputsMap()
          .forEach(
              (name, input) ->
                  inputs.put(name, warmUpInput(field + ".inputs[" + name + "]", input)));
      warmUps.add(
          new WarmUp(
              warmUp.getName(),
              spec.maxBatchSize() == 0 ? 0 : rows,
              Math.max(1, small(field + ".count", Integer.toUnsignedLong(warmUp.getCount()))),
              inputs));
    }
    return warmUps;
  }

  private WarmUp.Input warmUpInput(String field, ModelWarmup.Input input) {
    for (long dim : input.getDimsList()) {
      if (dim < 1) {
        throw error(field + ".dims", input.getDimsList(), "sizes >= 1");
      }
    }
    @Nullable ByteString data = null;
    switch (input.getInputDataTypeCase()) {
      case ZERO_DATA, RANDOM_DATA -> {}
      case INPUT_DATA_FILE -> {
        data = warmUpFile(field, input.getInputDataFile());
        if (type(field + ".data_type", input.getDataType()) == DataType.BYTES) {
          requireElements(field, data);
        }
      }
      case INPUTDATATYPE_NOT_SET ->
          throw error(field, "empty", "zero_data, random_data or input_data_file");
    }
    return new WarmUp.Input(
        type(field + ".data_type", input.getDataType()),
        input.getDimsList(),
        input.getRandomData(),
        data);
  }

  private void requireElements(String field, ByteString data) {
    try {
      var unused = Tensor.split(data.asReadOnlyByteBuffer());
    } catch (IllegalArgumentException e) {
      throw error(
          field + ".input_data_file", String.valueOf(e.getMessage()), "elements of TYPE_STRING");
    }
  }

  private ByteString warmUpFile(String field, String name) {
    Path data = folder.resolve("warmup").resolve(name).normalize();
    if (!data.startsWith(folder.normalize())) {
      throw error(field + ".input_data_file", name, "a file under warmup/");
    }
    try {
      return ByteString.copyFrom(Files.readAllBytes(data));
    } catch (IOException e) {
      throw new ModelException(
          Reason.NOT_READY, file + ": " + field + ".input_data_file: cannot be read: " + e, e);
    }
  }

  private int number(String field, String value, int most) {
    if (!value.matches("[0-9]{1,4}") || Integer.parseInt(value) > most) {
      throw error(field, value, "0.." + most);
    }
    return Integer.parseInt(value);
  }

  private int small(String field, long value) {
    if (value < 0 || value > Integer.MAX_VALUE) {
      throw error(field, Long.toUnsignedString(value), "0.." + Integer.MAX_VALUE);
    }
    return (int) value;
  }

  private long nanos(String field, long micros) {
    if (micros < 0 || micros > TimeUnit.DAYS.toMicros(1)) {
      throw error(field, Long.toUnsignedString(micros), "at most one day");
    }
    return TimeUnit.MICROSECONDS.toNanos(micros);
  }

  private void oneOf(String field, String value, Set<String> expected) {
    if (!expected.contains(value)) {
      throw error(field, value, String.join("", expected));
    }
  }

  private ModelException error(String field, Object value, String expected) {
    return new ModelException(
        Reason.NOT_READY, file + ": " + field + ": " + value + " (expected: " + expected + ")");
  }
}

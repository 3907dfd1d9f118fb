package io.espalier.inference.repository;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.inference.DataType;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.ModelSpec;
import io.espalier.inference.ModelSpec.TensorSpec;
import io.espalier.inference.repository.QueuePolicy.TimeoutAction;
import io.espalier.inference.repository.SessionSettings.Optimization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelFolderTest {
  private static final String TENSORS =
      """
      input { name: "x" data_type: TYPE_INT64 dims: [ -1, 4 ] }
      output { name: "y" data_type: TYPE_FP32 dims: 64 }
      """;

  private Path folder;

  @BeforeEach
  void makeFolder(@TempDir Path models) throws IOException {
    folder = models.resolve("tower");
    Files.createDirectories(folder.resolve("1"));
    Files.writeString(folder.resolve("1/model.onnx"), "graph");
  }

  @Test
  void read_everythingThatIsHonoured_isTaken() throws IOException {
    Files.createDirectories(folder.resolve("warmup"));
    Files.write(folder.resolve("warmup/x.bin"), new byte[64]);
    config(
        """
        name: "tower"
        platform: "onnxruntime_onnx"
        max_batch_size: 16
        input [ { name: "x" data_type: TYPE_INT64 dims: [ -1, 4 ] } ]
        output [ { name: "y" data_type: TYPE_FP32 dims: [ 64 ] } ]
        instance_group [ { count: 2 kind: KIND_CPU }, { count: 1 kind: KIND_AUTO name: "more" } ]
        dynamic_batching {
          preferred_batch_size: [ 8, 4 ]
          max_queue_delay_microseconds: 500
          priority_levels: 2
          default_priority_level: 1
          default_queue_policy {
            max_queue_size: 64
            default_timeout_microseconds: 20000
            timeout_action: DELAY
            allow_timeout_override: true
          }
          priority_queue_policy { key: 2 value { max_queue_size: 8 } }
        }
        optimization {
          graph { level: 1 }
          execution_accelerators { gpu_execution_accelerator { name: "tensorrt" } }
        }
        parameters { key: "intra_op_thread_count" value { string_value: "2" } }
        parameters { key: "inter_op_thread_count" value { string_value: "3" } }
        parameters { key: "execution_mode" value { string_value: "1" } }
        model_warmup {
          name: "one user"
          batch_size: 1
          count: 3
          inputs { key: "x" value { data_type: TYPE_INT64 dims: [ 2, 4 ] input_data_file: "x.bin" } }
        }
        """);

    ModelSettings settings = ModelFolder.read(folder);

    assertThat(settings.spec())
        .isEqualTo(
            new ModelSpec(
                "tower",
                16,
                List.of(new TensorSpec("x", DataType.INT64, List.of(-1L, 4L))),
                List.of(new TensorSpec("y", DataType.FP32, List.of(64L)))));
    assertThat(settings.graph()).isEqualTo(folder.resolve("1/model.onnx"));
    assertThat(settings.version()).isEqualTo(1);
    assertThat(settings.instances()).isEqualTo(3);
    assertThat(settings.batching())
        .isEqualTo(
            new Batching(
                new TreeSet<>(List.of(4, 8)),
                500_000,
                2,
                new QueuePolicy(64, 20_000_000, TimeoutAction.DELAY, true),
                Map.of(1, new QueuePolicy(8, 0, TimeoutAction.REJECT, false))));
    assertThat(settings.session())
        .isEqualTo(new SessionSettings(2, 3, true, Optimization.EXTENDED));
    assertThat(settings.warmUps()).hasSize(1);
    WarmUp warmUp = settings.warmUps().getFirst();
    assertThat(warmUp.rows()).isEqualTo(1);
    assertThat(warmUp.runs()).isEqualTo(3);
    assertThat(requireNonNull(warmUp.tensors(3).get("x")).shape()).containsExactly(3, 2, 4);
  }

  @Test
  void read_leastThatIsNeeded_hasDefaults() throws IOException {
    config("");

    ModelSettings settings = ModelFolder.read(folder);

    assertThat(settings.spec()).isEqualTo(new ModelSpec("tower", 0, List.of(), List.of()));
    assertThat(settings.batching()).isNull();
    assertThat(settings.instances()).isEqualTo(2);
    assertThat(settings.session()).isEqualTo(new SessionSettings(1, 1, false, Optimization.ALL));
    assertThat(settings.warmUps()).isEmpty();
  }

  @Test
  void read_severalVersions_takesTheHighestOrTheOneThatIsNamed() throws IOException {
    Files.createDirectories(folder.resolve("10"));
    Files.writeString(folder.resolve("10/model.onnx"), "newer");
    Files.createDirectories(folder.resolve("notes"));

    config("");
    assertThat(ModelFolder.read(folder).graph()).isEqualTo(folder.resolve("10/model.onnx"));

    config("version_policy { specific { versions: 1 } }");
    assertThat(ModelFolder.read(folder).graph()).isEqualTo(folder.resolve("1/model.onnx"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ensemble_scheduling { step { model_name: "a" } } | ensemble_scheduling: set
          sequence_batching { direct {} } | sequence_batching: set
          dynamic_batching { preserve_ordering: true } | dynamic_batching.preserve_ordering: set
          model_transaction_policy { decoupled: true } | model_transaction_policy: set
          response_cache { enable: true } | response_cache: set
          runtime: "other.so" | runtime: set
          batch_input { kind: BATCH_ELEMENT_COUNT } | batch_input: set
          model_operations { op_library_filename: "a.so" } | model_operations: set
          optimization { eager_batching: true } | optimization.eager_batching: set
          input { name: "z" data_type: TYPE_FP32 dims: 1 optional: true } | input[1].optional: set
          input { name: "z" data_type: TYPE_FP32 dims: 1 reshape { shape: [] } } | input[1].reshape: set
          input { name: "z" data_type: TYPE_FP32 dims: 1 allow_ragged_batch: true } | input[1].allow_ragged_batch: set
          output { name: "z" data_type: TYPE_FP32 dims: 1 is_shape_tensor: true } | output[1].is_shape_tensor: set
          instance_group { count: 1 rate_limiter { priority: 1 } } | instance_group[0].rate_limiter: set
          instance_group { count: 1 host_policy: "numa0" } | instance_group[0].host_policy: set
          instance_group { kind: KIND_GPU } | instance_group[0].kind: KIND_GPU (expected: KIND_CPU or KIND_AUTO
          instance_group { count: -1 } | instance_group[0].count: -1 (expected: >= 0)
          parameters { key: "gpu_mem_limit" value { string_value: "1" } } | parameters[gpu_mem_limit]: set
          parameters { key: "intra_op_thread_count" value { string_value: "all" } } | parameters[intra_op_thread_count]: all (expected: 0..1024)
          optimization { graph { level: 7 } } | optimization.graph.level: 7 (expected: -1, 0, 1 or 2)
          optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } } | cpu_execution_accelerator[0].name: openvino (expected: none
          max_batch_size: -1 | max_batch_size: -1 (expected: >= 0)
          platform: "tensorrt_plan" | platform: tensorrt_plan (expected: onnxruntime_onnx)
          backend: "python" | backend: python (expected: onnxruntime)
          name: "other" | name: other (expected: the folder's name, tower)
          version_policy { all {} } | version_policy.all: set
          version_policy { latest { num_versions: 2 } } | version_policy.latest.num_versions: 2 (expected: 1
          version_policy { specific { versions: 3 } } | version_policy.specific.versions: [3] (expected: one of [1])
          dynamic_batching { preferred_batch_size: 4 } | dynamic_batching.preferred_batch_size: [4] (expected: sizes in 1..0
          dynamic_batching { priority_levels: 2 } | dynamic_batching.default_priority_level: 0 (expected: 1..2)
          dynamic_batching { max_queue_delay_microseconds: 90000000001 } | max_queue_delay_microseconds: 90000000001 (expected: at most one day)
          dynamic_batching { priority_queue_policy { key: 1 value {} } } | priority_queue_policy[1]: set (expected: levels in 1..0
          model_warmup { batch_size: 2 } | model_warmup[0].batch_size: 2 (expected: none
          model_warmup { inputs { key: "x" value { data_type: TYPE_INT64 dims: 1 } } } | model_warmup[0].inputs[x]: empty
          model_warmup { inputs { key: "x" value { data_type: TYPE_INT64 dims: -1 zero_data: true } } } | model_warmup[0].inputs[x].dims: [-1]
          model_warmup { inputs { key: "x" value { data_type: TYPE_INT64 dims: 1 input_data_file: "../../../../x" } } } | input_data_file: ../../../../x (expected: a file under warmup/)
          input { name: "x" data_type: TYPE_FP32 dims: 1 } | input: x (expected: one of each name)
          input { name: "z" data_type: TYPE_FP64 dims: 1 } | input[1].data_type: TYPE_FP64
          input { name: "z" data_type: TYPE_FP32 } | input[1].dims: absent
          input { name: "z" data_type: TYPE_FP32 dims: 0 } | input[1].dims: [0]
          input { data_type: TYPE_FP32 dims: 1 } | input[1].name: absent
          default_model_filename: "other.onnx" | default_model_filename: other.onnx (expected: a file of
          default_model_filename: "../../../x.onnx" | default_model_filename: ../../../x.onnx (expected: a file of
          maximum_batch_size: 4 | maximum_batch_size
          dynamic_batching { preferred: 4 } | preferred
          max_batch_size: 1 max_batch_size: 2 | max_batch_size
          """)
  void read_whatIsNotHonoured_namesFileAndField(String line, String message) throws IOException {
    config(TENSORS + line);

    assertThatThrownBy(() -> ModelFolder.read(folder))
        .isInstanceOfSatisfying(
            ModelException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_READY))
        .hasMessageContaining(folder.toString())
        .hasMessageContaining(message);
  }

  @Test
  void read_noConfiguration_namesTheFile() {
    assertThatThrownBy(() -> ModelFolder.read(folder))
        .hasMessageStartingWith(folder.resolve("config.pbtxt") + ": cannot be read");
  }

  @Test
  void read_noVersion_namesTheFolder() throws IOException {
    Files.delete(folder.resolve("1/model.onnx"));
    Files.delete(folder.resolve("1"));
    config("");

    assertThatThrownBy(() -> ModelFolder.read(folder))
        .hasMessage(folder + ": no version (expected: a folder such as 1/)");
  }

  private void config(String text) throws IOException {
    Files.writeString(folder.resolve("config.pbtxt"), text);
  }
}

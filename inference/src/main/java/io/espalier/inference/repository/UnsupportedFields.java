package io.espalier.inference.repository;

import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.espalier.inference.oip.v2.ModelConfig;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Finds the fields of a model configuration that the embedded engine would have to obey and does
 * not: a field that is neither read nor without effect on a CPU is an error, never ignored.
 */
final class UnsupportedFields {

  /** Messages whose fields are looked at one by one, and scalars that are read. */
  private static final Set<String> READ =
      Set.of(
          "name",
          "platform",
          "backend",
          "max_batch_size",
          "default_model_filename",
          "version_policy",
          "version_policy.latest",
          "version_policy.latest.num_versions",
          "version_policy.specific",
          "version_policy.specific.versions",
          "input",
          "input.name",
          "input.data_type",
          "input.dims",
          "output",
          "output.name",
          "output.data_type",
          "output.dims",
          "output.label_filename",
          "instance_group",
          "instance_group.name",
          "instance_group.kind",
          "instance_group.count",
          "dynamic_batching",
          "dynamic_batching.preferred_batch_size",
          "dynamic_batching.max_queue_delay_microseconds",
          "dynamic_batching.priority_levels",
          "dynamic_batching.default_priority_level",
          "optimization",
          "optimization.graph",
          "optimization.graph.level",
          "optimization.execution_accelerators");

  /** Fields that are read whole elsewhere, or that only speak to a GPU or to Triton's metrics. */
  private static final Set<String> WHOLE =
      Set.of(
          "parameters",
          "model_warmup",
          "metric_tags",
          "dynamic_batching.default_queue_policy",
          "dynamic_batching.priority_queue_policy",
          "optimization.priority",
          "optimization.cuda",
          "optimization.input_pinned_memory",
          "optimization.output_pinned_memory",
          "optimization.gather_kernel_buffer_threshold",
          "optimization.execution_accelerators.cpu_execution_accelerator",
          "optimization.execution_accelerators.gpu_execution_accelerator");

  private UnsupportedFields() {}

  /** The path of the first such field, for example {@code input[0].reshape}; null when none. */
  static @Nullable String first(ModelConfig config) {
    return first(config, "", "");
  }

  private static @Nullable String first(Message message, String name, String path) {
    for (Map.Entry<FieldDescriptor, Object> entry : message.getAllFields().entrySet()) {
      FieldDescriptor field = entry.getKey();
      String fieldName = name + field.getName();
      String fieldPath = path + field.getName();
      if (WHOLE.contains(fieldName)) {
        continue;
      }
      if (!READ.contains(fieldName)) {
        return fieldPath;
      }
      if (field.getJavaType() != FieldDescriptor.JavaType.MESSAGE) {
        continue;
      }
      List<?> values = field.isRepeated() ? (List<?>) entry.getValue() : List.of(entry.getValue());
      for (int i = 0; i < values.size(); i++) {
        String step = field.isRepeated() ? fieldPath + "[" + i + "]" : fieldPath;
        String found = first((Message) values.get(i), fieldName + ".", step + ".");
        if (found != null) {
          return found;
        }
      }
    }
    return null;
  }
}

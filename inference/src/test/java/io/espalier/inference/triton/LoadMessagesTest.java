package io.espalier.inference.triton;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.util.JsonFormat;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelInstanceGroup;
import io.espalier.inference.oip.v2.ModelInstanceGroup.Kind;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.onnx.TestRepository;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoadMessagesTest {
  @Test
  void request_folderAsksForACpu_leavesItToTheServerAndKeepsTheRest(@TempDir Path models)
      throws Exception {
    Path folder =
        new TestRepository(models)
            .affine(
                "affine",
                """
                instance_group { count: 3 kind: KIND_CPU }
                instance_group { count: 1 kind: KIND_GPU gpus: 1 }
                """);

    RepositoryModelLoadRequest request = LoadMessages.request("affine", folder);

    assertThat(request.getModelName()).isEqualTo("affine");
    ModelConfig.Builder config = ModelConfig.newBuilder();
    JsonFormat.parser().merge(request.getParametersOrThrow("config").getStringParam(), config);
    assertThat(config.getInstanceGroupList())
        .containsExactly(
            ModelInstanceGroup.newBuilder().setCount(3).setKind(Kind.KIND_AUTO).build(),
            ModelInstanceGroup.newBuilder().setCount(1).setKind(Kind.KIND_GPU).addGpus(1).build());
    assertThat(config.getMaxBatchSize()).isEqualTo(8);
    assertThat(request.getParametersOrThrow("file:1/model.onnx").getBytesParam().toByteArray())
        .isEqualTo(Files.readAllBytes(folder.resolve("1/model.onnx")));
  }
}

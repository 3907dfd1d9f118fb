package io.espalier.inference.triton;

import com.google.protobuf.ByteString;
import com.google.protobuf.TextFormat;
import com.google.protobuf.util.JsonFormat;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelInstanceGroup;
import io.espalier.inference.oip.v2.ModelRepositoryParameter;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * A model folder as the request that loads it where the server's repository lacks it: Triton's
 * override of a configuration and of files by what the request carries. What the folder wants on a
 * CPU the server may run where it likes.
 */
final class LoadMessages {
  private LoadMessages() {}

  static RepositoryModelLoadRequest request(String model, Path folder) throws IOException {
    ModelConfig.Builder config = ModelConfig.newBuilder();
    TextFormat.merge(Files.readString(folder.resolve("config.pbtxt")), config);
    runWhereTheServerDoes(config);
    RepositoryModelLoadRequest.Builder request =
        RepositoryModelLoadRequest.newBuilder()
            .setModelName(model)
            .putParameters(
                "config",
                ModelRepositoryParameter.newBuilder()
                    .setStringParam(
                        JsonFormat.printer().preservingProtoFieldNames().print(config.build()))
                    .build());
    for (Path file : versions(folder)) {
      request.putParameters(
          "file:" + folder.relativize(file).toString().replace('\\', '/'),
          ModelRepositoryParameter.newBuilder()
              .setBytesParam(ByteString.copyFrom(Files.readAllBytes(file)))
              .build());
    }
    return request.build();
  }

  /** Folders ask for a CPU, which an engine in this process has; a server may have a GPU. */
  private static void runWhereTheServerDoes(ModelConfig.Builder config) {
    for (ModelInstanceGroup.Builder group : config.getInstanceGroupBuilderList()) {
      if (group.getKind() == ModelInstanceGroup.Kind.KIND_CPU) {
        group.setKind(ModelInstanceGroup.Kind.KIND_AUTO);
      }
    }
  }

  /** The files of the version folders. */
  private static List<Path> versions(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> folder.relativize(file).getNameCount() > 1)
          .toList();
    }
  }
}

package io.espalier.oip;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.ModelRepositoryParameter;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A model that a request brings along, as a folder that lasts while it is loaded. */
final class SentModel implements AutoCloseable {
  private static final String FILE = "file:";

  private final Path root;
  private final Path folder;

  private SentModel(Path root, String name) throws IOException {
    this.root = root;
    this.folder = inside(root, name);
    if (!root.equals(folder.getParent())) {
      throw new IOException(name + " (expected: the name of a folder)");
    }
  }

  /**
   * Writes the request's configuration and files.
   *
   * @throws IOException when it has not both, or one of them does not fit a model's folder
   */
  static SentModel of(RepositoryModelLoadRequest request) throws IOException {
    SentModel model =
        new SentModel(Files.createTempDirectory("sent-model"), request.getModelName());
    try {
      model.write(request.getParametersMap());
      return model;
    } catch (IOException | RuntimeException e) {
      model.close();
      throw e;
    }
  }

  /** The folder, in Triton's layout. */
  Path folder() {
    return folder;
  }

  private void write(Map<String, ModelRepositoryParameter> parameters) throws IOException {
    Files.createDirectories(folder);
    ModelRepositoryParameter json = parameters.get("config");
    if (json == null) {
      throw new IOException("config: absent (expected: beside the files)");
    }
    ModelConfig.Builder config = ModelConfig.newBuilder();
    try {
      JsonFormat.parser().merge(json.getStringParam(), config);
    } catch (InvalidProtocolBufferException e) {
      throw new IOException("config: " + e.getMessage(), e);
    }
    Files.writeString(folder.resolve("config.pbtxt"), config.build().toString());
    for (Map.Entry<String, ModelRepositoryParameter> parameter : parameters.entrySet()) {
      if (parameter.getKey().startsWith(FILE)) {
        Path file = inside(folder, parameter.getKey().substring(FILE.length()));
        Files.createDirectories(file.getParent());
        try (var out = Files.newOutputStream(file)) {
          parameter.getValue().getBytesParam().writeTo(out);
        }
      }
    }
  }

  private static Path inside(Path root, String name) throws IOException {
    Path path;
    try {
      path = root.resolve(name).normalize();
    } catch (InvalidPathException e) {
      throw new IOException(e.getMessage(), e);
    }
    if (!path.startsWith(root) || path.equals(root)) {
      throw new IOException(name + " (expected: a path inside the model's folder)");
    }
    return path;
  }

  @Override
  public void close() throws IOException {
    List<Path> deepestFirst;
    try (Stream<Path> paths = Files.walk(root)) {
      deepestFirst = paths.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path path : deepestFirst) {
      Files.delete(path);
    }
  }
}

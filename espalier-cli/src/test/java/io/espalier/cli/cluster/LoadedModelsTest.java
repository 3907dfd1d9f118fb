package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.inference.embedded.EmbeddedModelRunner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models of the repository in a real engine, by the bundles that use them. */
class LoadedModelsTest {
  private static final Path SHOP = Path.of(System.getProperty("espalier.root", ".."), "model-repo");
  private static final String MODEL = "shop-e4srec-user";

  @TempDir private Path root = Path.of("");
  private BundleRepository repository;
  private EmbeddedModelRunner runner;
  private LoadedModels models;

  @BeforeEach
  void copy() throws IOException {
    copy("bundles/shop-e4srec/1");
    copy("models/" + MODEL);
    Path second = root.resolve("bundles/shop-e4srec/2");
    copy(SHOP.resolve("bundles/shop-e4srec/1"), second);
    Files.writeString(
        second.resolve("bundle.yaml"),
        Files.readString(second.resolve("bundle.yaml")).replace("version: 1", "version: 2"));
    repository = BundleRepository.open(root);
    runner = new EmbeddedModelRunner(repository.models());
    models = new LoadedModels(repository, runner, EngineSettings.defaults());
  }

  @AfterEach
  void close() {
    models.close();
  }

  private void copy(String folder) throws IOException {
    copy(SHOP.resolve(folder), root.resolve(folder));
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target);
        }
      }
    }
  }

  private Bundle bundle(int version) {
    return repository.get(new BundleId("shop-e4srec", version));
  }

  @Test
  void open_twoBundlesOfOneModel_unloadsItAfterTheLast() throws Exception {
    AutoCloseable first = models.open(bundle(1));
    AutoCloseable second = models.open(bundle(2));
    assertThat(runner.loaded()).containsExactly(MODEL);
    first.close();
    first.close();
    assertThat(runner.isReady(MODEL)).isTrue();
    second.close();
    assertThat(runner.loaded()).isEmpty();
  }

  /** The engine has the weights of the first: those of the second would not be what answers. */
  @Test
  void open_otherWeightsUnderALoadedName_isRefused() throws Exception {
    AutoCloseable first = models.open(bundle(1));
    Path graph = root.resolve("models/" + MODEL + "/1/model.onnx");
    byte[] bytes = Files.readAllBytes(graph);
    bytes[bytes.length - 1]++;
    Files.write(graph, bytes);
    Path manifest = root.resolve("bundles/shop-e4srec/2/bundle.yaml");
    String checksum =
        "models/"
            + MODEL
            + "/1/model.onnx: sha256:"
            + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    Files.writeString(
        manifest,
        Files.readString(manifest)
            .replaceAll("models/" + MODEL + "/1/model.onnx: sha256:[0-9a-f]+", checksum));
    bundle(2).verify();

    assertThatThrownBy(() -> models.open(bundle(2)))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("other weights need another name");

    assertThat(runner.isReady(MODEL)).isTrue();
    first.close();
    assertThat(runner.loaded()).isEmpty();
  }

  @Test
  void open_modelThatDoesNotLoad_leavesNothing() throws IOException {
    Files.writeString(root.resolve("models/" + MODEL + "/1/model.onnx"), "no graph");

    assertThatThrownBy(() -> models.open(bundle(1))).isInstanceOf(RuntimeException.class);

    assertThat(runner.loaded()).isEmpty();
  }
}

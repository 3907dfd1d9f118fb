package io.espalier.bundles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleManifest.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BundleRepositoryTest {
  @TempDir Path root;
  private TestRepository files;
  private BundleRepository repository;

  @BeforeEach
  void write() throws IOException {
    files = new TestRepository(root);
    files.write(2);
    files.write(10);
    repository = BundleRepository.open(root);
  }

  @Test
  void list_twoVersions_inOrderOfNumbers() {
    assertThat(repository.list())
        .containsExactly(new BundleId("lamp", 2), new BundleId("lamp", 10));
  }

  @Test
  void get_soundBundle_readsTheManifest() {
    Bundle bundle = repository.get("lamp", 2);

    assertThat(bundle.id()).hasToString("lamp@2");
    assertThat(bundle.system()).isEqualTo("E4SRec");
    assertThat(bundle.manifest().shape()).isEqualTo(Shape.ENCODE);
    assertThat(bundle.manifest().data().fingerprint()).isEqualTo("sha256:00");
    assertThat(bundle.manifest().metrics()).containsEntry("validation.recall@10", 0.07);
    assertThat(bundle.model("user")).isEqualTo("lamp-user");
    assertThat(bundle.file("items")).exists();
    assertThat(bundle.readItems().ids()).containsExactly("a", "b");
    assertThat(bundle.readItems().index("b")).hasValue(1);
    assertThat(bundle.readItems().index("c")).isEmpty();
    assertThat(bundle.hasFile("parity")).isFalse();
    Parameters parameters = bundle.parameters();
    assertThat(parameters.integer("history")).isEqualTo(20);
    assertThat(parameters.number("floor")).isEqualTo(-0.5);
    assertThat(parameters.number("history")).isEqualTo(20.0);
    assertThat(parameters.text("name")).isEqualTo("random");
    assertThat(parameters.text("none", "other")).isEqualTo("other");
    assertThat(parameters.integers("offsets")).containsExactly(0, 4);
    assertThat(parameters.map("sources").map("a").integer("weight")).isEqualTo(2);
    assertThat(parameters.maps("fields").getFirst().number("b")).isEqualTo(0.5);
    assertThatCode(bundle::verify).doesNotThrowAnyException();
  }

  @Test
  void parameters_wrong_nameBundleAndKey() {
    Parameters parameters = repository.get("lamp", 2).parameters();

    assertThatThrownBy(() -> parameters.integer("beam"))
        .hasMessage("bundle lamp@2: parameters.beam: missing (expected: a whole number)");
    assertThatThrownBy(() -> parameters.integer("floor"))
        .hasMessage("bundle lamp@2: parameters.floor: -0.5 (expected: a whole number)");
    assertThatThrownBy(() -> parameters.map("sources").map("a").number("floor"))
        .hasMessage("bundle lamp@2: parameters.sources.a.floor: missing (expected: a number)");
    assertThatThrownBy(() -> parameters.integer("floor", 3))
        .hasMessageContaining("parameters.floor: -0.5");
  }

  @Test
  void get_unknown_isRefused() {
    assertThatThrownBy(() -> repository.get("lamp", 3))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("bundle lamp@3: unknown");
  }

  @Test
  void open_noBundles_isRefused() {
    assertThatThrownBy(() -> BundleRepository.open(root.resolve("bundles")))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("expected: a folder with bundles/");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "system:|sytsem:|bundle lamp@2: sytsem: unknown key (nearest: system)",
        "licence: research use|license: x|data.license: unknown key (nearest: data.licence)",
        "name: lamp|name: lump|name: lump (expected: lamp, the folder's name)",
        "version: 2|version: 3|version: 3 (expected: 2, the folder's name)",
        "shape: encode|shape: round|shape: round (expected: generate, encode, score",
        "system: E4SRec|system: 3|system: 3 (expected: text)",
        "metrics: {validation.recall@10: 0.07}|metrics: {r: high}|metrics.r: \"high\" (expected: a number)",
        "models: {user: lamp-user}|models: [x]|models: [\"x\"] (expected: a map)",
        "licence: Apache-2.0|licence: a;licence: b|Duplicate field",
      })
  void get_brokenManifest_namesTheKey(String before, String after, String message)
      throws IOException {
    files.writeManifest(2, files.manifest(2).replace(before, after.replace(";", "\n")));

    assertThatThrownBy(() -> repository.get("lamp", 2))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("bundle lamp@2")
        .hasMessageContaining(message);
  }

  @Test
  void verify_changedModel_namesIt() throws IOException {
    Files.writeString(files.model(), "other weights");

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("bundle lamp@2: models/lamp-user/1/model.onnx: sha256:");
  }

  @Test
  void verify_missingFile_namesIt() throws IOException {
    Files.delete(files.directory(2).resolve("items.tsv"));

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .hasMessageContaining("bundle lamp@2: files.items: ");
  }

  @Test
  void verify_missingModel_namesIt() throws IOException {
    Files.delete(files.model());

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .hasMessageContaining("models/lamp-user/1/model.onnx: missing");
  }

  @Test
  void verify_missingChecksum_namesIt() throws IOException {
    files.writeManifest(2, files.manifest(2).replaceAll("  items.tsv: sha256:[0-9a-f]+\n", ""));

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .hasMessageContaining("checksums.items.tsv: missing");
  }

  @Test
  void verify_checksumOfNothing_namesIt() throws IOException {
    files.writeManifest(2, files.manifest(2) + "  other.tsv: sha256:00\n");

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .hasMessageContaining("checksums.other.tsv: unknown");
  }

  @Test
  void verify_fileBesideAModelWithoutAChecksum_isRefused() throws IOException {
    Files.writeString(files.model().resolveSibling("weights.bin"), "put there by somebody");

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .hasMessageContaining("models/lamp-user/1/weights.bin: in the folder");
  }

  @ParameterizedTest
  @CsvSource({
    "models: {user: lamp-user}, 'models: {user: ../../elsewhere}'",
    "models: {user: lamp-user}, 'models: {user: /etc}'",
    "models: {user: lamp-user}, 'models: {user: .}'",
    "files: {items: items.tsv}, 'files: {items: /etc/passwd}'",
    "files: {items: items.tsv}, 'files: {items: a/../../../x}'",
    "'  items.tsv: sha', '  models/lamp-user/../../../x: sha'"
  })
  void verify_pathsThatLeaveTheRepository_areRefused(String before, String after)
      throws IOException {
    files.writeManifest(2, files.manifest(2).replace(before, after));

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("bundle lamp@2: ");
  }

  @Test
  void file_outsideItsFolder_isRefused() throws IOException {
    files.writeManifest(2, files.manifest(2).replace("items: items.tsv", "items: ../10/items.tsv"));

    assertThatThrownBy(() -> repository.get("lamp", 2).verify())
        .hasMessageContaining("files.items: ../10/items.tsv (expected: a path within its folder)");
  }

  @ParameterizedTest
  @CsvSource({"lamp", "lamp@", "lamp@0", "lamp@latest", "Lamp@1", "@1"})
  void parse_notNameAtVersion_isRefused(String text) {
    assertThatThrownBy(() -> BundleId.parse(text)).isInstanceOf(IllegalArgumentException.class);
  }
}

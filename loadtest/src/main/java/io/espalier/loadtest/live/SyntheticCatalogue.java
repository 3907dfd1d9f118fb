package io.espalier.loadtest.live;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.v1.Item;
import io.espalier.server.ConfigFile;
import io.espalier.stores.catalog.DataFolder;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A catalogue of made-up items, as a data folder and a model repository: a TIGER bundle with the
 * models of another one, and semantic ids drawn at random.
 *
 * <p>An item's price follows from its number and its revision, so what a filter must let through is
 * known without asking the server.
 */
public final class SyntheticCatalogue {
  /** The bundle that gives the items their semantic ids. */
  public static final BundleId BUNDLE = new BundleId("load-tiger", 1);

  /** The route over it. */
  static final String ROUTE = "load-feed";

  private static final Set<String> FILES = Set.of("items", "semantic_ids");
  // Texts say nothing of ids that are drawn at random.
  private static final String LEFT_OUT = "assign";

  private final Path folder;
  private final int levels;
  // By version of the bundle; of item i, level d at i · levels + d.
  private final Map<Integer, int[]> codes = new TreeMap<>();

  private SyntheticCatalogue(Path folder, int levels, int[] codes) {
    this.folder = folder;
    this.levels = levels;
    this.codes.put(BUNDLE.version(), codes);
  }

  /**
   * Writes a catalogue of so many items.
   *
   * @param template a TIGER bundle, whose models are copied
   */
  public static SyntheticCatalogue write(Path folder, Bundle template, int items, long seed)
      throws IOException {
    int levels = template.parameters().size("levels");
    SyntheticCatalogue catalogue =
        new SyntheticCatalogue(folder, levels, draw(template, items, seed));
    Files.createDirectories(catalogue.data());
    try (BufferedWriter lines = Files.newBufferedWriter(catalogue.data().resolve("items.jsonl"))) {
      for (int n = 0; n < items; n++) {
        Item item = catalogue.item(n, 0);
        lines.write(
            "{\"id\": \"%s\", \"title\": \"%s\", \"brand\": \"%s\", \"price\": %s}%n"
                .formatted(item.getId(), item.getTitle(), item.getBrand(), item.getPrice()));
      }
    }
    catalogue.writeBundle(template, BUNDLE.version(), "");
    Files.createDirectories(catalogue.modelRepo().resolve("routes"));
    Files.writeString(
        catalogue.modelRepo().resolve("routes/load-feed.yaml"), route(BUNDLE.version()));
    return catalogue;
  }

  private static int[] draw(Bundle template, int items, long seed) {
    return new Random(seed)
        .ints(
            (long) items * template.parameters().size("levels"),
            0,
            template.parameters().size("codes"))
        .toArray();
  }

  /** The route that asks one version of the bundle. */
  static String route(int version) {
    return "name: %s\nkind: feed\nsources:\n- bundle: %s\n  k: 50\nmerge: {method: rrf}\n"
        .formatted(ROUTE, new BundleId(BUNDLE.name(), version));
  }

  /**
   * Writes one more version of the bundle: the same items under other semantic ids, with models of
   * its own.
   */
  void addVersion(Bundle template, int version, long seed) throws IOException {
    codes.put(version, draw(template, size(), seed));
    writeBundle(template, version, "load-v" + version + "-");
  }

  /**
   * Writes a version.
   *
   * @param prefix before the names of the template's models
   */
  private void writeBundle(Bundle template, int version, String prefix) throws IOException {
    Path directory = modelRepo().resolve("bundles/" + BUNDLE.name() + "/" + version);
    Files.createDirectories(directory);
    Path ids = directory.resolve("items.tsv");
    Path semanticIds = directory.resolve("semantic_ids.tsv");
    try (BufferedWriter idLines = Files.newBufferedWriter(ids);
        BufferedWriter codeLines = Files.newBufferedWriter(semanticIds)) {
      for (int n = 0; n < size(); n++) {
        idLines.write(id(n) + "\n");
        codeLines.write(id(n) + "\t");
        for (int level = 0; level < levels; level++) {
          codeLines.write((level == 0 ? "" : " ") + code(version, n, level));
        }
        codeLines.write("\n");
      }
    }
    ObjectNode manifest = ConfigFile.read(template.file("items").resolveSibling("bundle.yaml"));
    manifest.put("name", BUNDLE.name()).put("version", version);
    manifest.withObject("/data").put("name", "load");
    manifest.withObject("/data").put("fingerprint", DataFolder.open(data()).fingerprint());
    manifest.remove("metrics");
    ObjectNode checksums = manifest.withObject("/checksums");
    Map<String, String> models = new TreeMap<>(template.manifest().models());
    String leftOut = models.remove(LEFT_OUT);
    manifest.withObject("/files").retain(FILES);
    manifest.withObject("/models").remove(LEFT_OUT);
    manifest.withObject("/parameters").remove(LEFT_OUT);
    template.manifest().files().values().forEach(checksums::remove);
    checksums.remove(
        List.of("models/" + leftOut + "/1/model.onnx", "models/" + leftOut + "/config.pbtxt"));
    checksums.put("items.tsv", sha256(ids));
    checksums.put("semantic_ids.tsv", sha256(semanticIds));
    for (Map.Entry<String, String> model : models.entrySet()) {
      String name = prefix + model.getValue();
      Path target = modelRepo().resolve("models/" + name);
      copy(
          template.file("items").resolveSibling("../../../models/" + model.getValue()).normalize(),
          target);
      if (!prefix.isEmpty()) {
        Path config = target.resolve("config.pbtxt");
        Files.writeString(
            config,
            Files.readString(config).replace("\"" + model.getValue() + "\"", "\"" + name + "\""));
        manifest.withObject("/models").put(model.getKey(), name);
        checksums.remove(
            List.of(
                "models/" + model.getValue() + "/1/model.onnx",
                "models/" + model.getValue() + "/config.pbtxt"));
        checksums.put("models/" + name + "/1/model.onnx", sha256(target.resolve("1/model.onnx")));
        checksums.put("models/" + name + "/config.pbtxt", sha256(config));
      }
    }
    Files.writeString(directory.resolve("bundle.yaml"), ConfigFile.print(manifest));
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
  }

  private static String sha256(Path file) throws IOException {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
      return "sha256:" + HexFormat.of().formatHex(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("SHA-256 (expected: in every JDK)", e);
    }
  }

  /** The data folder. */
  public Path data() {
    return folder.resolve("data");
  }

  /** The model repository. */
  public Path modelRepo() {
    return folder.resolve("model-repo");
  }

  /** The program's arguments for a server of a stage over it, at a port that is free. */
  public List<String> served(String stage) {
    return List.of(
        "serve",
        stage,
        "--port",
        "0",
        "--data",
        data().toString(),
        "--model-repo",
        modelRepo().toString());
  }

  /** The model repository, opened. */
  public BundleRepository repository() {
    return BundleRepository.open(modelRepo());
  }

  /** How many items there are at first. */
  public int size() {
    return first().length / levels;
  }

  private int[] first() {
    return Objects.requireNonNull(codes.get(BUNDLE.version()));
  }

  /** The external id of an item. */
  public static String id(int number) {
    return "item-" + number;
  }

  /** The number of an external id. */
  public static int number(String id) {
    return Integer.parseInt(id, "item-".length(), id.length(), 10);
  }

  /** An item after so many changes. */
  public Item item(int number, int revision) {
    return Item.newBuilder()
        .setId(id(number))
        .setTitle("item " + number + " revision " + revision)
        .setBrand("brand-" + number % 1000)
        .setPrice(price(number, revision))
        .build();
  }

  /** Its price then, from 0 to 199.99. */
  public static double price(int number, int revision) {
    return (number * 7_919L + revision * 104_729L) % 20_000 / 100.0;
  }

  /** The codes of an item's semantic id. */
  public List<Integer> semanticId(int number) {
    return semanticId(BUNDLE.version(), number);
  }

  /** The codes of an item's semantic id in a version of the bundle. */
  List<Integer> semanticId(int version, int number) {
    return IntStream.range(0, levels).mapToObj(level -> code(version, number, level)).toList();
  }

  private int code(int version, int number, int level) {
    return Objects.requireNonNull(codes.get(version))[number * levels + level];
  }
}

package io.espalier.rewrite;

import io.espalier.inference.Tensor;
import io.espalier.testing.FunctionRunner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * Writes a repository with the bundles {@code shop-beque@1} (table and model), {@code tables@1}
 * (table alone) and {@code personas@1}, and a runner for its models.
 *
 * <p>The vocabulary is a handful of words. The model answers a query that starts with "couch" with
 * "sofa" (−0.1) or "sofa red" (−1.2), or "couch" itself (−2); any other query with itself.
 */
final class RewriteBundles {
  static final List<String> WORDS =
      List.of(
          "<pad>", "<s>", "</s>", "<unk>", "red", "lamp", "light", "sofa", "couch", "warm", "up");
  private static final int START = 1;
  private static final int END = 2;

  private final Path root;

  RewriteBundles(Path root) {
    this.root = root;
  }

  void write() throws IOException {
    model("shop-beque-encoder");
    model("shop-beque-decoder");
    bundle(
        "shop-beque",
        "BEQUE",
        Map.of("encoder", "shop-beque-encoder", "decoder", "shop-beque-decoder"),
        Map.of(
            "tokenizer",
            tokenizer(),
            "table",
            "red lamp\tred light\t0.9\t1.5\t0.2\nRED  Lamp\tlamp\t0.8\t0.1\t0.2\nred lamp\tRed Lamp\t1\t0\t0\n"),
        "start_token: 1, end_token: 2, pad_token: 0, max_tokens: 6, beam: 3, min_log_prob: -3");
    bundle("tables", "BEQUE", Map.of(), Map.of("table", "lamp\tlight\t0.5\t0\t0\n"), "note: none");
    bundle(
        "personas",
        "Agent4Ranking",
        Map.of(),
        Map.of(
            "table",
            """
            lamp\tmiddle-aged-man\tlamp\t1\t1
            lamp\tmiddle-aged-woman\twarm lamp\t0.7\t0.5
            lamp\tstudent\tlight\t0.8\t0.4
            lamp\telder\tLight\t0.9\t0.4
            """),
        "note: none");
  }

  void bundle(
      String name,
      String system,
      Map<String, String> models,
      Map<String, String> files,
      String parameters)
      throws IOException {
    Path folder = root.resolve("bundles").resolve(name).resolve("1");
    Files.createDirectories(folder);
    StringBuilder checksums = new StringBuilder();
    StringBuilder fileLines = new StringBuilder();
    for (Map.Entry<String, String> file : files.entrySet()) {
      Files.writeString(folder.resolve(file.getKey()), file.getValue());
      fileLines.append("  ").append(file.getKey()).append(": ").append(file.getKey()).append('\n');
      checksums.append(checksum(file.getKey(), folder.resolve(file.getKey())));
    }
    StringBuilder modelLines = new StringBuilder();
    for (Map.Entry<String, String> model : models.entrySet()) {
      modelLines.append("  %s: %s\n".formatted(model.getKey(), model.getValue()));
      String path = "models/" + model.getValue() + "/1/model.onnx";
      checksums.append(checksum(path, root.resolve(path)));
    }
    Files.writeString(
        folder.resolve("bundle.yaml"),
        """
        name: %s
        version: 1
        system: %s
        shape: rewrite
        data: {name: test}
        licence: Apache-2.0
        models:
        %sfiles:
        %sparameters: {%s}
        checksums:
        %s"""
            .formatted(name, system, modelLines, fileLines, parameters, checksums));
  }

  private static String checksum(String name, Path file) throws IOException {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
      return "  %s: sha256:%s\n".formatted(name, HexFormat.of().formatHex(digest));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  private void model(String name) throws IOException {
    Path folder = root.resolve("models").resolve(name);
    Files.createDirectories(folder.resolve("1"));
    Files.writeString(folder.resolve("config.pbtxt"), "max_batch_size: 8\n");
    Files.writeString(folder.resolve("1/model.onnx"), name);
  }

  private static String tokenizer() {
    StringBuilder vocabulary = new StringBuilder();
    for (int i = 0; i < WORDS.size(); i++) {
      vocabulary.append(i == 0 ? "" : ",").append("\"%s\":%d".formatted(WORDS.get(i), i));
    }
    List<String> special = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      special.add(
          """
          {"id":%d,"content":"%s","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}"""
              .formatted(i, WORDS.get(i)));
    }
    return """
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],
         "normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Whitespace"},
         "post_processor":{"type":"TemplateProcessing",
           "single":[{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
           "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
           "special_tokens":{"</s>":{"id":"</s>","ids":[2],"tokens":["</s>"]}}},
         "decoder":null,
         "model":{"type":"WordLevel","vocab":{%s},"unk_token":"<unk>"}}
        """
        .formatted(String.join(",", special), vocabulary);
  }

  /** The encoder passes tokens on; the decoder looks up what may follow. */
  static FunctionRunner runner() {
    return new FunctionRunner()
        .model("shop-beque-encoder", RewriteBundles::encode)
        .model("shop-beque-decoder", RewriteBundles::decode);
  }

  private static Map<String, Tensor> encode(Map<String, Tensor> inputs) {
    Tensor ids = tensor(inputs, "input_ids");
    float[] hidden = new float[ids.dim(1)];
    for (int i = 0; i < hidden.length; i++) {
      hidden[i] = ids.longs().get(i);
    }
    return Map.of("hidden", Tensor.ofFloats(hidden, 1, hidden.length, 1));
  }

  private static Map<String, Tensor> decode(Map<String, Tensor> inputs) {
    Tensor hidden = tensor(inputs, "hidden");
    Tensor prefixes = tensor(inputs, "decoder_input_ids");
    int rows = prefixes.dim(0);
    int length = prefixes.dim(1);
    if (hidden.dim(0) != rows || tensor(inputs, "attention_mask").dim(0) != rows) {
      throw new AssertionError("rows differ: " + inputs);
    }
    float[] logProbs = new float[rows * WORDS.size()];
    Arrays.fill(logProbs, -20);
    for (int row = 0; row < rows; row++) {
      if (prefixes.longs().get(row * length) != START) {
        throw new AssertionError("a prefix must begin with the start token");
      }
      int sofa = WORDS.indexOf("sofa");
      int couch = WORDS.indexOf("couch");
      int at = row * WORDS.size();
      int query = (int) hidden.floats().get(row * hidden.dim(1));
      if (query != couch) {
        int next =
            length <= hidden.dim(1) - 1
                ? (int) hidden.floats().get(row * hidden.dim(1) + length - 1)
                : END;
        logProbs[at + next] = -0.01f;
      } else if (length == 1) {
        logProbs[at + sofa] = -0.1f;
        logProbs[at + couch] = -2f;
      } else if (length == 2 && prefixes.longs().get(row * length + 1) == sofa) {
        logProbs[at + END] = -0.1f;
        logProbs[at + WORDS.indexOf("red")] = -1f;
      } else {
        logProbs[at + END] = -0.1f;
      }
    }
    return Map.of("log_probs", Tensor.ofFloats(logProbs, rows, WORDS.size()));
  }

  private static Tensor tensor(Map<String, Tensor> inputs, String name) {
    Tensor tensor = inputs.get(name);
    if (tensor == null) {
      throw new AssertionError(name + ": missing in " + inputs.keySet());
    }
    return tensor;
  }
}

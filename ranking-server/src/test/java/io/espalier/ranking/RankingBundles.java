package io.espalier.ranking;

import io.espalier.inference.Tensor;
import io.espalier.testing.FunctionRunner;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A repository of small bundles over five items, and a runner for their models.
 *
 * <p>{@code e4} (with bias), {@code heter} (two heads, a default vector), {@code fusion} of both
 * with the sources {@code tiger} and {@code near}; {@code ranker} with {@code text}, {@code dense}
 * and {@code encoder}.
 */
final class RankingBundles {
  static final List<String> ITEMS = List.of("a", "b", "c", "d", "e");
  static final float[][] E4 = {{1, 0}, {0, 1}, {-1, 2}, {0.5f, 0.5f}, {-3, -3}};
  static final float[] BIAS = {0, 0.25f, -0.5f, 1, 0};
  static final float[][] HETER = {{2, 0}, {0, 2}, {1, 1}, {-1, 0}, {0, -1}};
  static final float[] DEFAULT = {0.5f, -0.5f};
  static final float[][] DENSE = {{1, 0}, {0, 1}, {0.6f, 0.8f}, {-1, 0}};
  static final float[] TYPE_LOG_PROBS = {
    (float) Math.log(0.7), (float) Math.log(0.2), (float) Math.log(0.1)
  };
  static final float[] QUERY_VECTOR = {0.8f, 0.6f};

  private static final List<String> VOCABULARY =
      List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "phone", "case");

  private final Path root;

  RankingBundles(Path root) {
    this.root = root;
  }

  void write() throws IOException {
    e4().write();
    heter().write();
    new BundleWriter(root, "tiger", "TIGER").write();
    new BundleWriter(root, "near", "ItemToItem").write();
    fusion(
            """
            {kind: log_probability, sources: {
              e4@1: {weight: 1, temperature: 1, floor: -4}, heter@1: {weight: 1.5, temperature: 2, floor: -3},
              tiger@1: {weight: 0.5, floor: -9}, near@1: {weight: 0.25, floor: -7}}}""")
        .write();
    new BundleWriter(root, "text", "TextIndex").write();
    new BundleWriter(root, "dense", "DenseText")
        .text("items", "a\nb\nc\nd\n")
        .matrix("item_vectors", 2, flat(DENSE))
        .parameters("{encoder: encoder@1}")
        .write();
    new BundleWriter(root, "encoder", "MiniLM")
        .text("tokenizer", tokenizer())
        .model("encode")
        .parameters("{max_tokens: 8, width: 2}")
        .write();
    ranker("{bm25: 1, dense: 0.5, type: 0.25, attribute: 0.125, accessory: 2, rewrite: 0.0625}")
        .write();
  }

  BundleWriter e4() {
    return new BundleWriter(root, "e4", "E4SRec")
        .text("items", String.join("\n", ITEMS) + "\n")
        .matrix("item_vectors", 2, flat(E4))
        .matrix("item_bias", 1, BIAS)
        .model("user")
        .parameters("{history: 3, width: 2, backbone: random}");
  }

  BundleWriter heter() {
    return new BundleWriter(root, "heter", "HeterRec")
        .text("items", String.join("\n", ITEMS) + "\n")
        .text("item_features", "a\t0\t1\nb\t1\t1\nc\t-1\t2\nd\t2\t-1\ne\t0\t0\n")
        .matrix("item_vectors", 2, flat(HETER))
        .matrix("text_vectors", 3, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1)
        .matrix("default_vector", 2, DEFAULT)
        .model("user")
        .parameters("{history: 4, heads: 2, width: 2, text_width: 3}");
  }

  BundleWriter fusion(String parameters) {
    return new BundleWriter(root, "fusion", "Fusion").parameters(parameters);
  }

  BundleWriter ranker(String weights) {
    return new BundleWriter(root, "ranker", "SearchRanker")
        .text("tokenizer", tokenizer())
        .text("types", "phones\ncases\nlamps\n")
        .text("item_types", "a\t0\t0\nb\t1\t1\nc\t1\t0\nd\t2\t0\ne\t2\t1\n")
        .bytes(
            "item_terms",
            terms(
                List.of("phone", "red"), List.of("case"), List.of(), List.of("red"), List.of("x")))
        .bytes(
            "title_terms", terms(List.of("red"), List.of("case"), List.of(), List.of(), List.of()))
        .model("query")
        .parameters(
            """
            {weights: %s, text: text@1, dense: dense@1, type_floor: 2.0, max_tokens: 8, analyzer: english}"""
                .formatted(weights));
  }

  @SafeVarargs
  private static byte[] terms(List<String>... items) {
    ByteBuffer out = ByteBuffer.allocate(1024).order(ByteOrder.LITTLE_ENDIAN);
    for (List<String> item : items) {
      int[] hashes = ItemTerms.hashes(item);
      Arrays.sort(hashes);
      out.putInt(hashes.length);
      for (int hash : hashes) {
        out.putInt(hash);
      }
    }
    return Arrays.copyOf(out.array(), out.position());
  }

  /** Word pieces in lower case, {@code [CLS] … [SEP]}. */
  private static String tokenizer() {
    StringBuilder vocabulary = new StringBuilder();
    StringBuilder special = new StringBuilder();
    for (int i = 0; i < VOCABULARY.size(); i++) {
      vocabulary.append(i == 0 ? "" : ",").append("\"%s\":%d".formatted(VOCABULARY.get(i), i));
      if (i < 4) {
        special.append(
            """
            %s{"id":%d,"content":"%s","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}"""
                .formatted(i == 0 ? "" : ",", i, VOCABULARY.get(i)));
      }
    }
    return """
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],
         "normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Whitespace"},
         "post_processor":{"type":"TemplateProcessing",
           "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
                     {"SpecialToken":{"id":"[SEP]","type_id":0}}],
           "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
           "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},
                             "[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}},
         "decoder":null,
         "model":{"type":"WordLevel","vocab":{%s},"unk_token":"[UNK]"}}
        """
        .formatted(special, vocabulary);
  }

  private static float[] flat(float[][] rows) {
    float[] flat = new float[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, flat, i * rows[0].length, rows[0].length);
    }
    return flat;
  }

  static FunctionRunner runner() {
    return new FunctionRunner()
        .model("e4-user", RankingBundles::e4User)
        .model("heter-user", RankingBundles::heterUsers)
        .model(
            "encoder-encode",
            inputs -> {
              tokens(inputs);
              return Map.of("vector", Tensor.ofFloats(QUERY_VECTOR, 1, 2));
            })
        .model(
            "ranker-query",
            inputs -> {
              tokens(inputs);
              return Map.of("type_log_probs", Tensor.ofFloats(TYPE_LOG_PROBS, 1, 3));
            });
  }

  private static void tokens(Map<String, Tensor> inputs) {
    Tensor ids = tensor(inputs, "input_ids");
    if (ids.longs().get(0) != 2 || ids.longs().get(ids.dim(1) - 1) != 3) {
      throw new AssertionError("tokens must stand between [CLS] and [SEP]");
    }
  }

  /** The user of E4SRec: (last index, how many indices) ÷ 4. */
  private static Map<String, Tensor> e4User(Map<String, Tensor> inputs) {
    Tensor history = tensor(inputs, "history");
    return Map.of("user", Tensor.ofFloats(e4User(longs(history)), 1, 2));
  }

  static float[] e4User(long[] history) {
    long known = Arrays.stream(history).filter(i -> i >= 0).count();
    return new float[] {history[history.length - 1] / 4f, known / 4f};
  }

  /** Two heads: (last brand, last category) ÷ 2 and (sum of text, last index) ÷ 4. */
  private static Map<String, Tensor> heterUsers(Map<String, Tensor> inputs) {
    float text = 0;
    Tensor vectors = tensor(inputs, "text");
    for (int i = 0; i < vectors.floats().remaining(); i++) {
      text += vectors.floats().get(i);
    }
    float[] users =
        heterUsers(
            last(tensor(inputs, "items")),
            last(tensor(inputs, "brands")),
            last(tensor(inputs, "categories")),
            text);
    return Map.of("users", Tensor.ofFloats(users, 1, 2, 2));
  }

  static float[] heterUsers(long item, long brand, long category, float text) {
    return new float[] {brand / 2f, category / 2f, text / 4f, item / 4f};
  }

  private static long last(Tensor tensor) {
    long[] values = longs(tensor);
    return values[values.length - 1];
  }

  private static long[] longs(Tensor tensor) {
    long[] values = new long[tensor.longs().remaining()];
    tensor.longs().get(values);
    return values;
  }

  private static Tensor tensor(Map<String, Tensor> inputs, String name) {
    Tensor tensor = inputs.get(name);
    if (tensor == null) {
      throw new AssertionError(name + ": missing in " + inputs.keySet());
    }
    return tensor;
  }
}

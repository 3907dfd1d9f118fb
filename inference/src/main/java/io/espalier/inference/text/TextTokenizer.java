package io.espalier.inference.text;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import io.espalier.inference.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * The tokenizer that a {@code tokenizer.json} of Hugging Face's tokenizers describes, run by that
 * same library. Safe for use by many threads.
 *
 * <p>Padding and truncation that the file asks for are left out: one text is not padded, and {@link
 * #encode} takes the length. The native library is unpacked once under {@code ~/.djl.ai}, or where
 * the environment variable {@code ENGINE_CACHE_DIR} says.
 */
public final class TextTokenizer implements AutoCloseable {
  static {
    // The binding would look for a GPU build to download, and would report its use from EC2.
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("OPT_OUT_TRACKING", "true");
  }

  private final HuggingFaceTokenizer tokenizer;

  private TextTokenizer(HuggingFaceTokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /**
   * Reads a tokenizer.
   *
   * @throws IOException when the file cannot be read or is not a tokenizer
   */
  public static TextTokenizer load(Path tokenizerJson) throws IOException {
    try {
      return new TextTokenizer(
          HuggingFaceTokenizer.builder()
              .optTokenizerPath(tokenizerJson)
              .optAddSpecialTokens(true)
              .optTruncation(false)
              .optPadding(false)
              .build());
    } catch (RuntimeException e) {
      throw new IOException(
          tokenizerJson + ": not a tokenizer of Hugging Face's tokenizers: " + e.getMessage(), e);
    }
  }

  /**
   * Turns a text into at most {@code maxTokens} tokens. A longer text loses its end, never the
   * special tokens that the model expects before and after it.
   */
  public TokenIds encode(String text, int maxTokens) {
    Encoding encoding = tokenizer.encode(text, true, false);
    long[] ids = shorten(encoding.getIds(), encoding.getSpecialTokenMask(), maxTokens);
    long[] mask = new long[ids.length];
    Arrays.fill(mask, 1);
    return new TokenIds(Tensor.ofLongs(ids, 1, ids.length), Tensor.ofLongs(mask, 1, mask.length));
  }

  /** The text of tokens, without the special ones. */
  public String decode(long[] ids) {
    return tokenizer.decode(ids, true);
  }

  @Override
  public void close() {
    tokenizer.close();
  }

  private static long[] shorten(long[] ids, long[] special, int maxTokens) {
    int before = 0;
    while (before < ids.length && special[before] == 1) {
      before++;
    }
    int after = 0;
    while (after < ids.length - before && special[ids.length - 1 - after] == 1) {
      after++;
    }
    if (maxTokens < before + after) {
      throw new IllegalArgumentException(
          "maxTokens: "
              + maxTokens
              + " (expected: at least the "
              + (before + after)
              + " special tokens)");
    }
    if (ids.length <= maxTokens) {
      return ids;
    }
    long[] kept = Arrays.copyOf(ids, maxTokens);
    System.arraycopy(ids, ids.length - after, kept, maxTokens - after, after);
    return kept;
  }
}

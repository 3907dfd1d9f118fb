package io.espalier.inference.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.Gson;
import io.espalier.inference.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The golden is made by {@code src/test/python/tokenizer_golden.py}. */
class TextTokenizerTest {
  private static final Path RESOURCES =
      Path.of(System.getProperty("espalier.root"), "inference/src/test/resources/text");
  private static TextTokenizer tokenizer;

  /** One line of the golden. */
  private record Golden(String text, int max, List<Long> ids, String decoded) {}

  @BeforeAll
  static void load() throws IOException {
    tokenizer = TextTokenizer.load(RESOURCES.resolve("tokenizer.json"));
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  @Test
  void encode_everyTextAndLimit_asPythonDoes() throws IOException {
    assertThat(golden()).hasSizeGreaterThan(50);
    for (Golden golden : golden()) {
      TokenIds tokens = tokenizer.encode(golden.text(), golden.max());
      assertThat(longs(tokens.ids())).as("%s", golden).isEqualTo(ids(golden));
      assertThat(longs(tokens.mask())).hasSize(golden.ids().size()).containsOnly(1);
      assertThat(tokens.ids().shape()).containsExactly(1, tokens.length());
    }
  }

  @Test
  void decode_everyList_asPythonDoes() throws IOException {
    for (Golden golden : golden()) {
      assertThat(tokenizer.decode(ids(golden))).as("%s", golden).isEqualTo(golden.decoded());
    }
  }

  @Test
  void encode_manyThreads_sameIds() throws IOException {
    List<Golden> golden = golden();
    CompletableFuture<?>[] runs =
        Stream.generate(
                () ->
                    CompletableFuture.runAsync(
                        () ->
                            golden.forEach(
                                each ->
                                    assertThat(
                                            longs(tokenizer.encode(each.text(), each.max()).ids()))
                                        .isEqualTo(ids(each)))))
            .limit(8)
            .toArray(CompletableFuture<?>[]::new);
    CompletableFuture.allOf(runs).join();
  }

  @Test
  void encode_noRoomForSpecialTokens_namesTheLimit() {
    assertThatThrownBy(() -> tokenizer.encode("headphones", 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxTokens: 1 (expected: at least the 2 special tokens)");
  }

  @Test
  void load_notATokenizer_namesTheFile(@TempDir Path folder) throws IOException {
    Path file = Files.writeString(folder.resolve("tokenizer.json"), "{}");
    assertThatThrownBy(() -> TextTokenizer.load(file))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(file + ": not a tokenizer");
  }

  private static long[] ids(Golden golden) {
    return golden.ids().stream().mapToLong(Long::longValue).toArray();
  }

  private static long[] longs(Tensor tensor) {
    long[] values = new long[tensor.longs().remaining()];
    tensor.longs().get(values);
    return values;
  }

  private static List<Golden> golden() throws IOException {
    Gson gson = new Gson();
    try (Stream<String> lines = Files.lines(RESOURCES.resolve("tokenizer-golden.jsonl"))) {
      return lines.map(line -> gson.fromJson(line, Golden.class)).toList();
    }
  }
}

package io.espalier.stores.blobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What every {@link BlobStore} does. */
public abstract class BlobStoreContract {
  @TempDir protected Path directory;
  private BlobStore blobs;

  /** An empty store. */
  protected abstract BlobStore open() throws IOException;

  @BeforeEach
  void openStore() throws IOException {
    blobs = open();
  }

  @AfterEach
  void closeStore() {
    blobs.close();
  }

  @Test
  void operations_random_doAsAMapWould() throws IOException {
    Random random = new Random(11);
    TreeMap<String, byte[]> expected = new TreeMap<>();
    Path to = directory.resolve("to");
    for (int step = 0; step < 400; step++) {
      String key = "s%d/%d@v.%d".formatted(random.nextInt(3), random.nextInt(4), random.nextInt(3));
      switch (random.nextInt(4)) {
        case 0, 1 -> {
          byte[] content = new byte[random.nextInt(5000)];
          random.nextBytes(content);
          blobs.put(key, file(content));
          expected.put(key, content);
        }
        case 2 -> {
          blobs.delete(key);
          expected.remove(key);
        }
        default -> {
          String prefix = key.substring(0, random.nextInt(key.length() + 1));
          assertThat(blobs.list(prefix))
              .as("step %d, prefix %s", step, prefix)
              .containsExactlyElementsOf(
                  expected.keySet().stream().filter(k -> k.startsWith(prefix)).toList());
        }
      }
      if (expected.containsKey(key)) {
        blobs.get(key, to);
        assertThat(to).as("step %d", step).hasBinaryContent(expected.get(key));
      } else {
        assertThatThrownBy(() -> blobs.get(key, to)).isInstanceOf(NoSuchFileException.class);
      }
    }
  }

  @Test
  void get_noSuchKey_namesItAndLeavesTheFile() throws IOException {
    Path to = file(new byte[] {1});

    assertThatThrownBy(() -> blobs.get("none/of-it", to))
        .isInstanceOf(NoSuchFileException.class)
        .hasMessageContaining("none/of-it");
    assertThat(to).hasBinaryContent(new byte[] {1});
    assertThat(files()).containsExactly(to);
  }

  @Test
  void put_noSuchFile_leavesWhatWasThere() throws IOException {
    blobs.put("a", file(new byte[] {1}));

    assertThatThrownBy(() -> blobs.put("a", directory.resolve("none")))
        .isInstanceOf(NoSuchFileException.class);
    Path to = directory.resolve("to");
    blobs.get("a", to);
    assertThat(to).hasBinaryContent(new byte[] {1});
  }

  @Test
  void list_moreThanAPage_givesAllInOrder() throws IOException {
    List<String> keys = new ArrayList<>();
    Path file = file(new byte[] {1});
    for (int i = 0; i < 1100; i++) {
      keys.add("many/%04d".formatted(i));
      blobs.put(keys.getLast(), file);
    }
    assertThat(blobs.list("many/")).containsExactlyElementsOf(keys);
  }

  @Test
  void delete_twice_isNothing() throws IOException {
    blobs.put("a", file(new byte[] {1}));
    blobs.delete("a");
    blobs.delete("a");
    assertThat(blobs.list("")).isEmpty();
  }

  @Test
  void getAndList_whileAnotherPuts_findOneOfBothWhole() throws Exception {
    byte[] ones = content(1);
    byte[] twos = content(2);
    Path one = file(ones);
    Path two = file(twos);
    blobs.put("k", one);
    AtomicBoolean done = new AtomicBoolean();
    try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
      Future<?> putting =
          threads.submit(
              () -> {
                while (!done.get()) {
                  blobs.put("k", two);
                  blobs.put("k", one);
                }
                return true;
              });
      Path to = directory.resolve("to");
      try {
        for (int i = 0; i < 50; i++) {
          blobs.get("k", to);
          assertThat(Files.readAllBytes(to)).isIn(ones, twos);
          assertThat(blobs.list("")).contains("k");
        }
      } finally {
        done.set(true);
      }
      putting.get();
    }
  }

  private static byte[] content(int value) {
    byte[] content = new byte[300_000];
    Arrays.fill(content, (byte) value);
    return content;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a b", "ä", "a\\b", "~a",
        "a\n"
      })
  void operations_badKey_areRefused(String key) throws IOException {
    Path file = file(new byte[] {1});

    assertThatThrownBy(() -> blobs.put(key, file))
        .hasMessageContaining("key: \"" + key + "\" (expected: ");
    assertThatThrownBy(() -> blobs.get(key, file)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> blobs.delete(key)).isInstanceOf(IllegalArgumentException.class);
    assertThat(file).hasBinaryContent(new byte[] {1});
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "...", "a..b/.c", "beauty-tiger@3/0000012101/trie.bin", "-_@."})
  void put_goodKey_isTaken(String key) throws IOException {
    blobs.put(key, file(new byte[] {7}));
    assertThat(blobs.list("")).containsExactly(key);
  }

  private Path file(byte[] content) throws IOException {
    return Files.write(Files.createTempFile(directory, "from", ""), content);
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.filter(Files::isRegularFile).toList();
    }
  }
}

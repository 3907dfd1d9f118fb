package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.server.ConfigException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Configuration files that were spoilt are read as they say or refused by one line, all of them.
 */
class MutatedConfigTest {
  private static final int FILES = 10_000;
  private static final List<String> PIECES =
      List.of(
          "{",
          "}",
          "[",
          "]",
          ": ",
          "\n",
          "\n  ",
          "- ",
          "&a ",
          "*a",
          "!!java.io.File ",
          "|",
          ">",
          "\"",
          "'",
          "#",
          "null",
          "~",
          "-1",
          "1e999",
          "99999999999999999999",
          "0x7f",
          "true",
          "\t",
          "\u0000",
          "\uFEFF",
          "---\n",
          "...\n",
          "%YAML 9.9\n",
          "<<: ",
          "2024-01-01",
          "1_000");

  @Test
  void under_spoiltFiles_areReadOrRefused(@TempDir Path dir) throws IOException {
    long seed = ThreadLocalRandom.current().nextLong();
    System.out.println("MutatedConfigTest seed: " + seed);
    Random random = new Random(seed);
    Path unused = dir.resolve("x");
    ServeConfig defaults =
        ServeConfig.defaults(Stage.ROUTER, unused, unused, unused)
            .with(
                Map.of(
                    "server.auth_token", "hunter2",
                    "server.jwt.issuer", "issuer",
                    "telemetry.metrics.port", "9464"));
    // Every key there is, as it would be printed, and the secret beside it.
    String sound = defaults.shown().replace("(set)", "hunter2").replaceFirst("---\\n", "");
    Path file = dir.resolve("server.yaml");
    Files.writeString(file, sound);
    assertThat(defaults.under(file)).isEqualTo(defaults);
    int read = 0;
    for (int i = 0; i < FILES; i++) {
      String spoilt = spoilt(sound, random);
      Files.write(file, spoilt.getBytes(StandardCharsets.UTF_8));
      try {
        defaults.under(file);
        read++;
      } catch (ConfigException e) {
        String message = String.valueOf(e.getMessage());
        assertThat(message).as("seed %d, file %d", seed, i).startsWith(file.toString());
        assertThat(message.length()).as("seed %d, file %d", seed, i).isLessThan(2_000);
      } catch (RuntimeException | StackOverflowError e) {
        throw new AssertionError("seed " + seed + ", file " + i + ":\n" + spoilt, e);
      }
    }
    System.out.println("MutatedConfigTest: " + read + " of " + FILES + " read");
    assertThat(read).isBetween(FILES / 100, FILES * 9 / 10);
  }

  private static String spoilt(String sound, Random random) {
    StringBuilder text = new StringBuilder(sound);
    for (int i = random.nextInt(3); i >= 0; i--) {
      int at = random.nextInt(text.length());
      int end = Math.min(text.length(), at + random.nextInt(24));
      switch (random.nextInt(5)) {
        case 0 -> text.delete(at, end);
        case 1 -> text.insert(at, PIECES.get(random.nextInt(PIECES.size())));
        case 2 -> text.replace(at, end, PIECES.get(random.nextInt(PIECES.size())));
        case 3 -> text.insert(at, text.substring(at, end));
        default -> text.setCharAt(at, (char) random.nextInt(0x3000));
      }
      if (text.isEmpty()) {
        text.append('x');
      }
    }
    return text.toString();
  }
}

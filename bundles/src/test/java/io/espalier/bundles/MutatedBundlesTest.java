package io.espalier.bundles;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Bundles that are broken at random are refused by what they break, and nothing of them is left:
 * the version before them serves on.
 */
class MutatedBundlesTest {
  private static final int BUNDLES = 10_000;
  private static final BundleId OLD = new BundleId("lamp", 1);
  private static final BundleId NEW = new BundleId("lamp", 2);

  @TempDir Path root;

  /** What is open of a bundle and of its models. */
  private static final class Opened {
    final AtomicInteger loaded = new AtomicInteger();
    final AtomicInteger resources = new AtomicInteger();
  }

  @Test
  void switchTo_mutatedBundle_isSoundOrRefusedWhole() throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    TestRepository files = new TestRepository(root);
    files.write(1);
    files.write(2);
    Map<Path, byte[]> sound = new TreeMap<>();
    for (Path file :
        List.of(
            files.directory(2).resolve("bundle.yaml"),
            files.directory(2).resolve("items.tsv"),
            files.model(),
            root.resolve("models/lamp-user/config.pbtxt"))) {
      sound.put(file, Files.readAllBytes(file));
    }
    Opened opened = new Opened();
    Map<String, Integer> kinds = new TreeMap<>();
    int refused = 0;
    try (BundleSwitch<AutoCloseable> bundles =
        new BundleSwitch<>(BundleRepository.open(root), loader(opened), resources(opened))) {
      bundles.switchTo(OLD);
      for (int n = 0; n < BUNDLES; n++) {
        String kind = mutate(sound, random);
        boolean loads = true;
        try {
          bundles.switchTo(NEW);
        } catch (BundleException e) {
          loads = false;
          refused++;
          kinds.merge(kind, 1, Integer::sum);
          assertThat(e).hasMessageContaining("lamp@2");
          assertThat(bundles.status())
              .anySatisfy(
                  status -> {
                    assertThat(status.id()).isEqualTo(NEW);
                    assertThat(status.state()).isEqualTo(ServedBundle.State.FAILED);
                    assertThat(status.failure()).isEqualTo(e.getMessage());
                  });
        }
        assertThat(bundles.serving()).isEqualTo(loads ? List.of(OLD, NEW) : List.of(OLD));
        try (Lease<AutoCloseable> lease = bundles.acquireCurrent("lamp").orElseThrow()) {
          assertThat(lease.id()).isEqualTo(loads ? NEW : OLD);
        }
        if (loads) {
          assertThat(checksummed(sound)).as("mutation %s of bundle %d", kind, n).isTrue();
          assertThat(bundles.retire(NEW)).isDone();
          bundles.switchTo(OLD);
        }
        assertThat(opened.loaded).as("loaded").hasValue(1);
        assertThat(opened.resources).as("resources").hasValue(1);
        restore(sound);
      }
      bundles.switchTo(NEW);
    }
    System.out.println(refused + " of " + BUNDLES + " refused: " + kinds);
    assertThat(refused).isBetween(BUNDLES / 2, BUNDLES);
    assertThat(opened.loaded).hasValue(0);
    assertThat(opened.resources).hasValue(0);
  }

  /** Whether the files whose checksums are given are as they were. */
  private static boolean checksummed(Map<Path, byte[]> sound) throws IOException {
    for (Map.Entry<Path, byte[]> file : sound.entrySet()) {
      String name = file.getKey().getFileName().toString();
      boolean named = name.equals("items.tsv") || name.equals("model.onnx");
      if (named && !Arrays.equals(Files.readAllBytes(file.getKey()), file.getValue())) {
        return false;
      }
    }
    return true;
  }

  private static String mutate(Map<Path, byte[]> sound, Random random) throws IOException {
    List<Path> all = new ArrayList<>(sound.keySet());
    Set<String> kinds = new HashSet<>();
    for (int times = 1 + random.nextInt(3); times > 0; times--) {
      Path file = all.get(random.nextInt(all.size()));
      byte[] bytes = Files.exists(file) ? Files.readAllBytes(file) : new byte[0];
      String kind = "";
      switch (random.nextInt(6)) {
        case 0 -> {
          kind = "missing";
          Files.deleteIfExists(file);
        }
        case 1 -> {
          kind = "truncated";
          Files.write(file, Arrays.copyOf(bytes, random.nextInt(bytes.length + 1)));
        }
        case 2 -> {
          kind = "longer";
          byte[] longer = Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(8));
          random.nextBytes(longer);
          System.arraycopy(bytes, 0, longer, 0, bytes.length);
          Files.write(file, longer);
        }
        case 3 -> {
          kind = "bits";
          for (int bit = 1 + random.nextInt(3); bit > 0 && bytes.length > 0; bit--) {
            bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
          }
          Files.write(file, bytes);
        }
        case 4 -> {
          kind = "swapped";
          Path other = all.get(random.nextInt(all.size()));
          byte[] others = Files.exists(other) ? Files.readAllBytes(other) : new byte[0];
          Files.write(file, others);
          Files.write(other, bytes);
        }
        default -> {
          kind = "lines";
          // Manifests with other keys and values in other places.
          List<String> lines =
              new ArrayList<>(
                  List.of(new String(bytes, StandardCharsets.ISO_8859_1).split("\n", -1)));
          int line = random.nextInt(lines.size());
          switch (random.nextInt(3)) {
            case 0 -> lines.remove(line);
            case 1 -> lines.add(line, lines.get(random.nextInt(lines.size())));
            default ->
                lines.set(line, lines.get(line).replace(':', random.nextBoolean() ? ' ' : '.'));
          }
          Files.write(
              file, (String.join("\n", lines) + "\n").getBytes(StandardCharsets.ISO_8859_1));
        }
      }
      kinds.add(kind);
    }
    return kinds.size() == 1 ? kinds.iterator().next() : "several";
  }

  private static void restore(Map<Path, byte[]> sound) throws IOException {
    for (Map.Entry<Path, byte[]> file : sound.entrySet()) {
      Files.write(file.getKey(), file.getValue());
    }
  }

  private static BundleResources resources(Opened opened) {
    return bundle -> {
      opened.resources.incrementAndGet();
      return opened.resources::decrementAndGet;
    };
  }

  /** Reads the items as servers do, and fails as they do for what it does not understand. */
  private static BundleLoader<AutoCloseable> loader(Opened opened) {
    return new BundleLoader<>() {
      @Override
      public AutoCloseable load(Bundle bundle) {
        if (bundle.readItems().ids().isEmpty() || !bundle.system().equals("E4SRec")) {
          throw new IllegalArgumentException("system: " + bundle.system());
        }
        opened.loaded.incrementAndGet();
        return opened.loaded::decrementAndGet;
      }

      @Override
      public void warm(AutoCloseable loaded) {}
    };
  }
}

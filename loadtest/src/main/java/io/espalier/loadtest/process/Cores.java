package io.espalier.loadtest.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Which processors the processes of a driver run on that keeps to some: the others, since a child
 * inherits its parent's. Lists are as {@code taskset} takes them ({@code 0-3,5}).
 *
 * @param all those that there are, the driver's among them; empty where it keeps to none
 * @param own the driver's
 */
record Cores(BitSet all, BitSet own) {
  // As loadtest/measure.sh sets it with DRIVER_CPU.
  private static final String ALL = "espalier.cpus";
  private static final String ALLOWED = "Cpus_allowed_list:";

  /** Those of this process. */
  static Cores here() {
    String all = System.getProperty(ALL, "");
    return all.isEmpty() ? of("", "") : of(all, allowed());
  }

  static Cores of(String all, String own) {
    return new Cores(parse(all), parse(own));
  }

  private static String allowed() {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith(ALLOWED))
          .map(line -> line.substring(ALLOWED.length()).strip())
          .findFirst()
          .orElseThrow(() -> new IllegalStateException("/proc/self/status: no " + ALLOWED));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * What goes before a child's command; empty where the driver keeps to no processors.
   *
   * @throws IllegalStateException where the driver has them all
   */
  List<String> others() {
    if (all.isEmpty()) {
      return List.of();
    }
    BitSet others = without(all, own);
    if (others.isEmpty()) {
      throw new IllegalStateException(
          "DRIVER_CPU: %s (expected: some processors of %s are left for the servers)"
              .formatted(text(own), text(all)));
    }
    return taskset(others);
  }

  /**
   * The same for one that must not disturb the servers that are measured: on what neither they nor
   * the driver have, or else the driver's.
   *
   * @param servers theirs; empty where they have {@link #others}
   */
  List<String> spare(String servers) {
    if (all.isEmpty() || servers.isEmpty()) {
      return others();
    }
    BitSet spare = without(without(all, own), parse(servers));
    return taskset(spare.isEmpty() ? own : spare);
  }

  private static BitSet without(BitSet some, BitSet those) {
    BitSet left = (BitSet) some.clone();
    left.andNot(those);
    return left;
  }

  private static List<String> taskset(BitSet cores) {
    return List.of("taskset", "-c", text(cores));
  }

  private static String text(BitSet cores) {
    return cores.stream().mapToObj(Integer::toString).collect(Collectors.joining(","));
  }

  private static BitSet parse(String list) {
    BitSet cores = new BitSet();
    for (String range : list.split(",", -1)) {
      if (list.isEmpty()) {
        break;
      }
      int dash = range.indexOf('-');
      try {
        int first = Integer.parseInt(dash < 0 ? range : range.substring(0, dash));
        int last = dash < 0 ? first : Integer.parseInt(range.substring(dash + 1));
        cores.set(first, last + 1);
      } catch (NumberFormatException | IndexOutOfBoundsException e) {
        throw new IllegalArgumentException(
            "processors: %s (expected: such as 0-3,5)".formatted(list), e);
      }
    }
    return cores;
  }
}

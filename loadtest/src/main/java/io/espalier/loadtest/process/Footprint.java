package io.espalier.loadtest.process;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What a process of a JVM holds, as Linux and the JVM tell it.
 *
 * @param resident kB of its memory that are in use
 * @param committed kB that the JVM itself accounts for (Native Memory Tracking); 0 where it does
 *     not, or could not be asked
 * @param threads of the operating system
 * @param descriptors open ones
 * @param mappings of files, those that have been deleted among them
 */
public record Footprint(
    long resident, long committed, long threads, long descriptors, long mappings) {
  private static final Pattern RESIDENT = Pattern.compile("VmRSS:\\s+([0-9]+) kB");
  private static final Pattern THREADS = Pattern.compile("Threads:\\s+([0-9]+)");
  private static final Pattern COMMITTED = Pattern.compile("Total:.*committed=([0-9]+)KB");

  /**
   * Reads that of a process of this user.
   *
   * @throws IOException when it is gone, or this is not Linux
   */
  public static Footprint of(long pid) throws IOException, InterruptedException {
    Path process = Path.of("/proc", Long.toString(pid));
    String status = Files.readString(process.resolve("status"));
    try (Stream<Path> descriptors = Files.list(process.resolve("fd"));
        Stream<String> mappings = Files.lines(process.resolve("maps"))) {
      return new Footprint(
          number(RESIDENT, status),
          number(COMMITTED, new Jvm(pid).nativeMemory()),
          number(THREADS, status),
          descriptors.count(),
          mappings.filter(line -> line.contains(" /")).count());
    }
  }

  private static long number(Pattern pattern, String text) {
    Matcher matcher = pattern.matcher(text);
    return matcher.find() ? Long.parseLong(matcher.group(1)) : 0;
  }
}

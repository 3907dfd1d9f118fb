package io.espalier.loadtest.process;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A JVM that runs, as the JDK's own tools see it.
 *
 * @param pid its process, of this user's
 */
public record Jvm(long pid) {
  private static final Pattern DATE =
      Pattern.compile(
          "^(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}[+-]\\d{4}):", Pattern.MULTILINE);
  private static final DateTimeFormatter FORMAT =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSZ", Locale.ROOT);

  /**
   * What time it takes it to be, in milliseconds since 1970.
   *
   * @throws IOException when it does not say
   */
  public long clock() throws IOException, InterruptedException {
    String said = say("jcmd", Long.toString(pid), "VM.uptime", "-date");
    Matcher matcher = DATE.matcher(said);
    if (!matcher.find()) {
      throw new IOException("jcmd %d VM.uptime: '%s' (expected: a date)".formatted(pid, said));
    }
    return OffsetDateTime.parse(matcher.group(1), FORMAT).toInstant().toEpochMilli();
  }

  /**
   * Seconds that it has spent in collections of garbage so far.
   *
   * @throws IOException when it does not say
   */
  public double collecting() throws IOException, InterruptedException {
    String said = say("jstat", "-gcutil", Long.toString(pid));
    List<String> lines = said.lines().toList();
    if (lines.size() == 2) {
      int column = List.of(lines.getFirst().strip().split("\\s+", -1)).indexOf("GCT");
      String[] figures = lines.getLast().strip().split("\\s+", -1);
      if (column >= 0 && column < figures.length) {
        return Double.parseDouble(figures[column]);
      }
    }
    throw new IOException("jstat -gcutil %d: '%s' (expected: GCT)".formatted(pid, said));
  }

  /** What its own accounts of memory are; empty where they could not be had. */
  String nativeMemory() throws IOException, InterruptedException {
    return say("jcmd", Long.toString(pid), "VM.native_memory", "summary");
  }

  /** Asks a tool of the JDK; what it says when it fails is no answer. */
  private static String say(String tool, String... question)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", tool).toString());
    command.addAll(List.of(question));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return process.waitFor() == 0 ? said : "";
  }
}

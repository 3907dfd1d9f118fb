package io.espalier.cli.cluster;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The packaged program as a process of its own that serves on a free loopback port. */
final class ServerProcess implements AutoCloseable {
  private static final Pattern ADDRESS =
      Pattern.compile("(?:is up|listens) at (127\\.0\\.0\\.1:[0-9]+)");
  private static final Pattern METRICS =
      Pattern.compile("metrics at http://(127\\.0\\.0\\.1:[0-9]+)/metrics");
  private static final Duration START = Duration.ofMinutes(5);

  private final Process process;
  private final CompletableFuture<String> target = new CompletableFuture<>();
  private final CompletableFuture<String> metrics = new CompletableFuture<>();
  private final Queue<String> log = new ConcurrentLinkedQueue<>();

  private ServerProcess(Process process) {
    this.process = process;
    Thread.ofVirtual().start(this::read);
  }

  /** Starts {@code espalier ARGS…}. */
  static ServerProcess start(Path root, List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>(command(root));
    command.addAll(arguments);
    return new ServerProcess(new ProcessBuilder(command).redirectErrorStream(true).start());
  }

  /** {@code espalier}, without arguments. */
  static List<String> command(Path root) {
    Path module = root.resolve("espalier-cli/target");
    return List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "-Xmx1g",
        "-Despalier.root=" + root,
        "-cp",
        System.getProperty(
            "espalier.classpath",
            module.resolve("espalier.jar") + ":" + module.resolve("lib") + "/*"),
        "io.espalier.cli.Main");
  }

  private void read() {
    try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        log.add(line);
        complete(target, ADDRESS.matcher(line));
        complete(metrics, METRICS.matcher(line));
      }
    } catch (IOException e) {
      log.add(e.toString());
    }
    var ended = new IllegalStateException("ended before it served:\n" + String.join("\n", log));
    target.completeExceptionally(ended);
    metrics.completeExceptionally(ended);
  }

  private static void complete(CompletableFuture<String> address, Matcher matcher) {
    if (matcher.find()) {
      address.complete(matcher.group(1));
    }
  }

  /** Where it listens, once it does. */
  String target() throws Exception {
    return target.get(START.toSeconds(), TimeUnit.SECONDS);
  }

  /**
   * Where its metrics are, host and port, once they are there; it must have been asked for them.
   */
  String metrics() throws Exception {
    return metrics.get(START.toSeconds(), TimeUnit.SECONDS);
  }

  /** All that it printed. */
  String output() {
    return String.join("\n", log);
  }

  /** Ends it at once, as a crash would. */
  void kill() throws InterruptedException {
    process.destroyForcibly().waitFor();
  }

  @Override
  public void close() throws InterruptedException {
    process.destroy();
    if (!process.waitFor(20, TimeUnit.SECONDS)) {
      kill();
    }
  }
}

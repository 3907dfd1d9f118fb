package io.espalier.loadtest.process;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A program of this class path as a process of its own that serves on a free loopback port. It ends
 * when this process does, unless that is ended by {@code SIGKILL}.
 */
public final class ServerProcess implements AutoCloseable {
  private static final Pattern ADDRESS = Pattern.compile("listens at (127\\.0\\.0\\.1:[0-9]+)");
  private static final Duration START = Duration.ofMinutes(5);
  private static final int KEPT_LINES = 100;

  private final Process process;
  private final Consumer<String> lines;
  private final CompletableFuture<String> target = new CompletableFuture<>();
  private final Deque<String> last = new ArrayDeque<>();
  private final Thread atExit;

  private ServerProcess(Process process, Consumer<String> lines) {
    this.process = process;
    this.lines = lines;
    this.atExit = Thread.ofPlatform().unstarted(process::destroyForcibly);
    Runtime.getRuntime().addShutdownHook(atExit);
    Thread.ofPlatform().daemon().name("output-of-" + process.pid()).start(this::read);
  }

  /**
   * Starts a program.
   *
   * @param prefix goes before the command, as {@code taskset} and {@code nice} do; empty for none
   * @param lines is told of each line that it prints
   */
  public static ServerProcess start(
      List<String> prefix,
      List<String> jvmFlags,
      String main,
      List<String> arguments,
      Consumer<String> lines)
      throws IOException {
    List<String> command = new ArrayList<>(prefix);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("--sun-misc-unsafe-memory-access=allow");
    command.addAll(jvmFlags);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main));
    command.addAll(arguments);
    return start(command, lines);
  }

  /** Starts any program. Its prefix may say on which processors; else never on the driver's own. */
  public static ServerProcess start(List<String> command, Consumer<String> lines)
      throws IOException {
    List<String> whole = new ArrayList<>(Cores.here().others());
    whole.addAll(command);
    return new ServerProcess(new ProcessBuilder(whole).redirectErrorStream(true).start(), lines);
  }

  /**
   * A prefix for what must not disturb the servers that are measured: it runs on processors that
   * neither they nor the driver keep to, or else on the driver's.
   *
   * @param servers the processors that those keep to; empty for none
   */
  public static List<String> beside(String servers) {
    return Cores.here().spare(servers);
  }

  private void read() {
    try (BufferedReader reader = process.inputReader(StandardCharsets.UTF_8)) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        synchronized (last) {
          last.addLast(line);
          if (last.size() > KEPT_LINES) {
            last.removeFirst();
          }
        }
        lines.accept(line);
        Matcher matcher = ADDRESS.matcher(line);
        if (matcher.find()) {
          target.complete(matcher.group(1));
        }
      }
    } catch (IOException e) {
      lines.accept(e.toString());
    }
    target.completeExceptionally(new IOException("ended before it served:\n" + output()));
  }

  /** The last lines that it printed. */
  public String output() {
    synchronized (last) {
      return String.join("\n", last);
    }
  }

  /**
   * Where it listens, once it does.
   *
   * @throws IOException with what it printed, when it ended instead
   */
  public String target() throws IOException, InterruptedException {
    try {
      return target.get(START.toSeconds(), TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new IOException("process " + process.pid() + " does not serve:\n" + output(), e);
    }
  }

  /** Its process id. */
  public long pid() {
    return process.pid();
  }

  /** Whether it runs. */
  public boolean isAlive() {
    return process.isAlive();
  }

  /**
   * Ends it by {@code SIGTERM}, and returns once it is gone, which may take as long as it likes.
   */
  public void terminate() throws InterruptedException {
    process.destroy();
    process.waitFor();
    forgetAtExit();
  }

  /** Ends it by {@code SIGKILL}, and returns once it is gone. */
  public void kill() throws InterruptedException {
    process.destroyForcibly().waitFor();
    forgetAtExit();
  }

  private void forgetAtExit() {
    try {
      Runtime.getRuntime().removeShutdownHook(atExit);
    } catch (IllegalStateException e) {
      // This process is ending: the hook has run, or runs now.
    }
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(20, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
      forgetAtExit();
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}

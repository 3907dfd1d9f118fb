package io.espalier.stores.redis;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A real server in a process of its own, on loopback, that forces what it acknowledges. */
public final class RedisServer implements AutoCloseable {
  private static final String PROGRAM = "redis-server";

  private final Path folder;
  private final int port;
  private final List<String> options;
  private @Nullable Process process;

  private RedisServer(Path folder, int port, List<String> options) {
    this.folder = folder;
    this.port = port;
    this.options = options;
  }

  /**
   * Starts one; skips the test where none is installed.
   *
   * @param options more of its options, in which {port} stands for its port
   */
  public static RedisServer start(Path folder, String... options)
      throws IOException, InterruptedException {
    assumeTrue(
        Stream.of(System.getenv("PATH").split(File.pathSeparator, -1))
            .anyMatch(path -> Files.isExecutable(Path.of(path, PROGRAM))),
        PROGRAM + ": not on the PATH (expected: as stores-redis/install-server.sh installs it)");
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    RedisServer server = new RedisServer(folder, port, List.of(options));
    server.start();
    return server;
  }

  /** Starts it again, with what it had forced. */
  public void start() throws IOException, InterruptedException {
    Path log = folder.resolve("redis.log");
    List<String> command = new ArrayList<>(List.of(PROGRAM, "--port", Integer.toString(port)));
    command.addAll(List.of("--bind", "127.0.0.1", "--dir", folder.toString(), "--save", ""));
    command.addAll(List.of("--appendonly", "yes", "--appendfsync", "always"));
    options.forEach(option -> command.add(option.replace("{port}", Integer.toString(port))));
    Process started =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
            .start();
    Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(started::destroyForcibly));
    process = started;
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (!listens()) {
      if (!started.isAlive() || System.nanoTime() > until) {
        started.destroyForcibly();
        throw new IOException("no server:\n" + Files.readString(log));
      }
      Thread.sleep(20);
    }
  }

  private Socket connect() throws IOException {
    Socket socket = new Socket();
    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
    return socket;
  }

  private boolean listens() {
    try (Socket socket = connect()) {
      return socket.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  /** Sends it one command, past every client; answers the first line of what it says. */
  public String say(String command) throws IOException {
    try (Socket socket = connect()) {
      socket.getOutputStream().write((command + "\r\n").getBytes(StandardCharsets.UTF_8));
      return new BufferedReader(
              new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8))
          .readLine();
    }
  }

  int port() {
    return port;
  }

  /** Where it is. */
  public RedisAddress address() {
    return RedisAddress.parse("redis://127.0.0.1:" + port);
  }

  private Process running() {
    return Objects.requireNonNull(process);
  }

  /** Ends it in the middle of whatever it does. */
  public void kill() throws InterruptedException {
    running().destroyForcibly().waitFor();
  }

  /** Makes it stand still until {@link #thaw}. */
  public void freeze() throws IOException, InterruptedException {
    signal("-STOP");
  }

  /** Lets it go on. */
  public void thaw() throws IOException, InterruptedException {
    signal("-CONT");
  }

  private void signal(String signal) throws IOException, InterruptedException {
    int code =
        new ProcessBuilder("kill", signal, Long.toString(running().pid()))
            .inheritIO()
            .start()
            .waitFor();
    if (code != 0) {
      throw new IOException("kill " + signal + ": " + code);
    }
  }

  @Override
  public void close() {
    running().destroyForcibly();
  }
}

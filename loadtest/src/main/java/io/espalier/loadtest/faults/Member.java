package io.espalier.loadtest.faults;

import io.espalier.loadtest.process.ServerProcess;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** One server of a cluster: a process that can be ended and started again at the same address. */
final class Member implements AutoCloseable {
  /**
   * What a start of it is made of.
   *
   * @param main its class; empty where the prefix and the arguments are a command of their own
   */
  record Start(List<String> prefix, List<String> jvmFlags, String main, List<String> arguments) {
    List<String> command() {
      List<String> all = new ArrayList<>(prefix);
      all.addAll(arguments);
      return all;
    }

    Start withPrefix(List<String> more) {
      List<String> all = new ArrayList<>(more);
      all.addAll(prefix);
      return new Start(all, jvmFlags, main, arguments);
    }

    Start withFlag(String flag) {
      List<String> all = new ArrayList<>(jvmFlags);
      all.add(flag);
      return new Start(prefix, all, main, arguments);
    }

    Start with(String option, String value) {
      List<String> all = new ArrayList<>(arguments);
      int at = all.indexOf(option);
      if (at < 0) {
        all.addAll(List.of(option, value));
      } else {
        all.set(at + 1, value);
      }
      return new Start(prefix, jvmFlags, main, all);
    }
  }

  private final String name;
  private final int port;
  private final Start start;
  private final PrintWriter log;
  private final AtomicReference<@Nullable ServerProcess> process = new AtomicReference<>();

  Member(String name, int port, Start start, Path logs) throws IOException {
    this.name = name;
    this.port = port;
    this.start = start;
    this.log =
        new PrintWriter(
            Files.newBufferedWriter(
                logs.resolve(name + ".log"),
                StandardCharsets.UTF_8,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING),
            true);
  }

  String name() {
    return name;
  }

  String stage() {
    return name.substring(0, name.lastIndexOf('-'));
  }

  int port() {
    return port;
  }

  String target() {
    return "127.0.0.1:" + port;
  }

  Start start() {
    return start;
  }

  /** A port that is free, and stays so if nobody else comes. */
  static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** Starts it; returns before it serves. */
  void begin(Start how) throws IOException {
    process.set(
        how.main().isEmpty()
            ? ServerProcess.start(how.command(), this::note)
            : ServerProcess.start(
                how.prefix(), how.jvmFlags(), how.main(), how.arguments(), this::note));
  }

  private void note(String line) {
    synchronized (log) {
      log.println(line);
    }
  }

  /** Waits until it serves. */
  void awaitServing() throws IOException, InterruptedException {
    if (start.main().isEmpty()) {
      awaitListening(60);
    } else {
      running().target();
    }
  }

  /** Starts it as ever, and waits until it serves. */
  void startAgain() throws IOException, InterruptedException {
    begin(start);
    awaitServing();
  }

  ServerProcess running() {
    ServerProcess one = process.get();
    if (one == null) {
      throw new IllegalStateException(name + ": does not run (expected: it was started)");
    }
    return one;
  }

  boolean isAlive() {
    ServerProcess one = process.get();
    return one != null && one.isAlive();
  }

  void signal(String signal) throws IOException, InterruptedException {
    int code =
        new ProcessBuilder("kill", "-" + signal, Long.toString(running().pid()))
            .inheritIO()
            .start()
            .waitFor();
    if (code != 0) {
      throw new IOException("kill -%s of %s: exit code %d".formatted(signal, name, code));
    }
  }

  /** Waits until somebody listens at its port. */
  void awaitListening(long seconds) throws IOException, InterruptedException {
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    while (true) {
      try (Socket socket = new Socket()) {
        socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1_000);
        return;
      } catch (IOException e) {
        if (System.nanoTime() > until || !isAlive()) {
          throw new IOException(name + ": does not listen at " + port, e);
        }
        Thread.sleep(20);
      }
    }
  }

  /** Whether somebody listens at its port. */
  boolean listens() throws InterruptedException {
    try {
      awaitListening(0);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Override
  public void close() {
    ServerProcess one = process.get();
    if (one != null) {
      one.close();
    }
    log.close();
  }
}

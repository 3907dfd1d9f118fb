package io.espalier.stores.s3;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * An S3Proxy in a process of its own, on loopback, that looks at signatures: {@code writer} and
 * {@code secret}.
 */
final class ObjectServer implements AutoCloseable {
  private final Process process;
  private final int port;

  private ObjectServer(Process process, int port) {
    this.process = process;
    this.port = port;
  }

  static ObjectServer start(Path folder) throws IOException, InterruptedException {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    Path data = Files.createDirectories(folder.resolve("data"));
    Path configuration =
        Files.writeString(
            folder.resolve("s3proxy.conf"),
            """
            s3proxy.authorization=aws-v2-or-v4
            s3proxy.endpoint=http://127.0.0.1:%d
            s3proxy.identity=writer
            s3proxy.credential=secret
            jclouds.provider=filesystem-nio2
            jclouds.identity=x
            jclouds.credential=x
            jclouds.filesystem.basedir=%s
            """
                .formatted(port, data));
    Path log = folder.resolve("s3proxy.log");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-jar",
                System.getProperty("espalier.s3proxy"),
                "--properties",
                configuration.toString())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(process::destroyForcibly));
    ObjectServer server = new ObjectServer(process, port);
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
    while (!server.listens()) {
      if (!process.isAlive() || System.nanoTime() > until) {
        process.destroyForcibly();
        throw new IOException("no object store:\n" + Files.readString(log));
      }
      Thread.sleep(50);
    }
    return server;
  }

  private boolean listens() {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /** Blobs in a bucket of it. */
  S3Address address(String bucketAndPrefix) {
    return S3Address.parse("s3://" + bucketAndPrefix + "?endpoint=http://127.0.0.1:" + port);
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}

package io.espalier.stores.redis;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** Stands between one client and a server, and can keep what the client says to itself. */
final class Relay implements AutoCloseable {
  private final ServerSocket socket;
  private final int server;
  // Guarded by this.
  private final ByteArrayOutputStream heard = new ByteArrayOutputStream();
  private boolean holding;
  private @Nullable OutputStream out;

  Relay(int server) throws IOException {
    this.server = server;
    this.socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::serve);
  }

  RedisAddress address() {
    return RedisAddress.parse("redis://127.0.0.1:" + socket.getLocalPort());
  }

  private void serve() {
    try (Socket client = socket.accept();
        Socket to = new Socket(InetAddress.getLoopbackAddress(), server)) {
      Thread.ofVirtual()
          .start(
              () -> {
                try {
                  to.getInputStream().transferTo(client.getOutputStream());
                } catch (IOException e) {
                  // The end of either.
                }
              });
      byte[] bytes = new byte[8192];
      InputStream from = client.getInputStream();
      for (int read = from.read(bytes); read >= 0; read = from.read(bytes)) {
        hear(bytes, read, to.getOutputStream());
      }
    } catch (IOException e) {
      // The end of either.
    }
  }

  private synchronized void hear(byte[] bytes, int length, OutputStream to) throws IOException {
    out = to;
    heard.write(bytes, 0, length);
    if (!holding) {
      passOn();
    }
  }

  private void passOn() throws IOException {
    if (out != null) {
      heard.writeTo(out);
    }
    heard.reset();
  }

  /** Passes nothing on to the server from now on. */
  synchronized void hold() {
    holding = true;
  }

  /** Passes on what was held, and all that comes. */
  synchronized void release() throws IOException {
    holding = false;
    passOn();
  }

  /** What the client said that was not passed on. */
  synchronized String held() {
    return heard.toString(StandardCharsets.ISO_8859_1);
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}

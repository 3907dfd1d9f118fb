package io.espalier.stores.redis;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Stands between clients and a server, and can keep what they say to itself. */
final class Relay implements AutoCloseable {
  private final ServerSocket socket;
  private final int server;
  // Guarded by this.
  private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
  private final List<Socket> clients = new ArrayList<>();
  private @Nullable OutputStream to;
  private int connections;
  private int held;

  Relay(int server) throws IOException {
    this.server = server;
    this.socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::serve);
  }

  RedisAddress address() {
    return RedisAddress.parse("redis://127.0.0.1:" + socket.getLocalPort());
  }

  private void serve() {
    try {
      while (true) {
        Socket client = socket.accept();
        int number = next(client);
        Thread.ofVirtual().start(() -> serve(client, number));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private synchronized int next(Socket client) {
    clients.add(client);
    return ++connections;
  }

  private void serve(Socket client, int number) {
    try (client;
        Socket there = new Socket(InetAddress.getLoopbackAddress(), server)) {
      Thread.ofVirtual().start(() -> answer(there, client));
      byte[] bytes = new byte[8192];
      InputStream from = client.getInputStream();
      for (int read = from.read(bytes); read >= 0; read = from.read(bytes)) {
        hear(number, bytes, read, there.getOutputStream());
      }
    } catch (IOException e) {
      // The end of either.
    }
  }

  private static void answer(Socket there, Socket client) {
    try {
      there.getInputStream().transferTo(client.getOutputStream());
    } catch (IOException e) {
      // The end of either.
    }
  }

  private synchronized void hear(int number, byte[] bytes, int length, OutputStream there)
      throws IOException {
    if (number <= held) {
      kept.write(bytes, 0, length);
      to = there;
    } else {
      there.write(bytes, 0, length);
    }
  }

  /** Passes nothing on to the server from now on that comes by the connections there are. */
  synchronized void hold() {
    held = connections;
  }

  /** Passes on what was held, and all that comes. */
  synchronized void release() throws IOException {
    held = 0;
    if (to != null) {
      kept.writeTo(to);
    }
    kept.reset();
  }

  /** Ends the connections there are, and forgets what was held. */
  synchronized void drop() throws IOException {
    for (Socket client : clients) {
      client.close();
    }
    clients.clear();
    to = null;
    kept.reset();
  }

  /** What was said that was not passed on. */
  synchronized String held() {
    return kept.toString(StandardCharsets.ISO_8859_1);
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}

package io.espalier.oip;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A way to a server that can be cut, as when its process is killed, and held up, as when it hangs.
 */
final class Relay implements AutoCloseable {
  private final int port;
  private final InetSocketAddress to;
  private final Set<Socket> sockets = ConcurrentHashMap.newKeySet();
  private volatile boolean heldUp;
  private ServerSocket listener;

  /** A way to a {@code host:port}. */
  Relay(String target) throws IOException {
    int colon = target.lastIndexOf(':');
    to =
        new InetSocketAddress(
            target.substring(0, colon), Integer.parseInt(target.substring(colon + 1)));
    listener = listen(0);
    port = listener.getLocalPort();
  }

  private ServerSocket listen(int at) throws IOException {
    ServerSocket socket = new ServerSocket();
    socket.setReuseAddress(true);
    socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), at));
    Thread.ofVirtual().start(() -> accept(socket));
    return socket;
  }

  InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
  }

  String target() {
    return "127.0.0.1:" + port;
  }

  /** Resets all connections, and refuses further ones. */
  void cut() throws IOException {
    listener.close();
    for (Socket socket : sockets) {
      reset(socket);
    }
    sockets.clear();
  }

  /** Connects again. */
  void mend() throws IOException {
    listener = listen(port);
  }

  /** Lets nothing through until told otherwise; connections stay. */
  void holdUp(boolean yes) {
    heldUp = yes;
  }

  private void accept(ServerSocket on) {
    try {
      while (true) {
        Socket client = on.accept();
        Socket server = new Socket();
        sockets.add(client);
        sockets.add(server);
        server.connect(to);
        Thread.ofVirtual().start(() -> copy(client, server));
        Thread.ofVirtual().start(() -> copy(server, client));
      }
    } catch (IOException e) {
      // Cut, or the server is gone.
      return;
    }
  }

  private void copy(Socket from, Socket into) {
    byte[] bytes = new byte[1 << 16];
    try (from;
        into) {
      InputStream in = from.getInputStream();
      OutputStream out = into.getOutputStream();
      for (int read = in.read(bytes); read >= 0; read = in.read(bytes)) {
        while (heldUp) {
          Thread.sleep(1);
        }
        out.write(bytes, 0, read);
      }
    } catch (IOException e) {
      return;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      sockets.remove(from);
    }
  }

  private static void reset(Socket socket) {
    try {
      socket.setSoLinger(true, 0);
      socket.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    heldUp = false;
    cut();
  }
}

package io.espalier.loadtest.faults;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The way between two hosts, on loopback: passes on what it gets, late or not at all when it is
 * told so.
 *
 * <p>TCP hides a lost packet: what its user sees is that nothing comes until it has been sent
 * again, a fifth of a second later at best. So a lost packet is a stall here.
 */
final class Link implements AutoCloseable {
  private static final int PIECE = 16 << 10;
  private static final Duration RETRANSMISSION = Duration.ofMillis(200);

  private final ServerSocket socket;
  private final int port;
  private final Random random;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition mended = lock.newCondition();
  // Guarded by the lock.
  private boolean cut;
  private volatile long delayNanos;
  private volatile double stalls;

  /** Opens a link to a port; the seed says which pieces stall. */
  Link(int port, long seed) throws IOException {
    this.port = port;
    this.random = new Random(seed);
    this.socket = new ServerSocket(0, 128, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().name("link").start(this::accept);
  }

  String target() {
    return "127.0.0.1:" + socket.getLocalPort();
  }

  /** From now on pieces take so long, and that share of them as long again as a lost one does. */
  void disturb(Duration delay, double share) {
    delayNanos = delay.toNanos();
    stalls = share;
  }

  /** From now on nothing comes through, or again. */
  void cut(boolean nothing) {
    lock.lock();
    try {
      cut = nothing;
      mended.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void accept() {
    try {
      while (true) {
        Socket here = socket.accept();
        Thread.ofVirtual().name("link").start(() -> connect(here));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private void connect(Socket here) {
    try (here;
        Socket there = new Socket()) {
      awaitWhole();
      there.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1_000);
      here.setTcpNoDelay(true);
      there.setTcpNoDelay(true);
      Thread back = Thread.ofVirtual().name("link").start(() -> carry(there, here));
      carry(here, there);
      back.join();
    } catch (IOException e) {
      // One end is gone: so is the other.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private record Piece(ByteBuffer bytes, long due) {}

  /** One direction; what was read is written when it is due, in order. */
  private void carry(Socket from, Socket to) {
    BlockingQueue<Piece> onTheWay = new LinkedBlockingQueue<>(4_096);
    Thread writer = Thread.ofVirtual().name("link").start(() -> write(onTheWay, to));
    try {
      InputStream in = from.getInputStream();
      byte[] bytes = new byte[PIECE];
      for (int read = in.read(bytes); read >= 0; read = in.read(bytes)) {
        onTheWay.put(
            new Piece(ByteBuffer.wrap(Arrays.copyOf(bytes, read)), System.nanoTime() + takes()));
      }
    } catch (IOException e) {
      // Closed by either end.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    try {
      onTheWay.put(new Piece(ByteBuffer.allocate(0), 0));
      writer.join();
      to.close();
      from.close();
    } catch (IOException | InterruptedException e) {
      writer.interrupt();
    }
  }

  private long takes() {
    double share = stalls;
    boolean stalled;
    synchronized (random) {
      stalled = share > 0 && random.nextDouble() < share;
    }
    return delayNanos + (stalled ? RETRANSMISSION.toNanos() : 0);
  }

  private void write(BlockingQueue<Piece> onTheWay, Socket to) {
    try {
      OutputStream out = to.getOutputStream();
      for (Piece piece = onTheWay.take(); piece.bytes().hasRemaining(); piece = onTheWay.take()) {
        long left = piece.due() - System.nanoTime();
        if (left > 0) {
          TimeUnit.NANOSECONDS.sleep(left);
        }
        awaitWhole();
        out.write(piece.bytes().array());
      }
    } catch (IOException e) {
      closeQuietly(to);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // It is gone anyway.
    }
  }

  private void awaitWhole() throws InterruptedException {
    lock.lock();
    try {
      while (cut) {
        mended.await();
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() throws IOException {
    cut(false);
    socket.close();
  }
}

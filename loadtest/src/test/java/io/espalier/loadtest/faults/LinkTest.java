package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class LinkTest {
  private ServerSocket server;
  private Link link;
  private Socket client;

  @BeforeEach
  void start() throws IOException {
    server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::echo);
    link = new Link(server.getLocalPort(), 1);
    int port = Integer.parseInt(link.target().substring(link.target().indexOf(':') + 1));
    client = new Socket(InetAddress.getLoopbackAddress(), port);
  }

  private void echo() {
    try {
      while (true) {
        Socket socket = server.accept();
        Thread.ofVirtual().start(() -> echo(socket));
      }
    } catch (IOException e) {
      // Closed.
    }
  }

  private static void echo(Socket socket) {
    try (socket) {
      socket.getInputStream().transferTo(socket.getOutputStream());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @AfterEach
  void stop() throws IOException {
    client.close();
    link.close();
    server.close();
  }

  private byte[] say(int... bytes) throws IOException {
    byte[] sent = new byte[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      sent[i] = (byte) bytes[i];
    }
    client.getOutputStream().write(sent);
    return client.getInputStream().readNBytes(sent.length);
  }

  @Test
  void carry_undisturbed_passesEverythingBothWays() throws IOException {
    byte[] much = new byte[1 << 20];
    for (int i = 0; i < much.length; i++) {
      much[i] = (byte) (i * 31);
    }
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                client.getOutputStream().write(much);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    assertThat(client.getInputStream().readNBytes(much.length)).isEqualTo(much);
  }

  @Test
  void disturb_delay_takesThatLongEachWay() throws IOException {
    link.disturb(Duration.ofMillis(100), 0);
    long started = System.nanoTime();
    assertThat(say(1, 2, 3)).containsExactly(1, 2, 3);
    assertThat(Duration.ofNanos(System.nanoTime() - started)).isGreaterThan(Duration.ofMillis(199));
  }

  @Test
  void disturb_everyPieceLost_takesARetransmissionEachWay() throws IOException {
    link.disturb(Duration.ZERO, 1);
    long started = System.nanoTime();
    assertThat(say(1)).containsExactly(1);
    assertThat(Duration.ofNanos(System.nanoTime() - started)).isGreaterThan(Duration.ofMillis(399));
  }

  @Test
  void cut_thenMended_bringsWhatWasHeldBack() throws IOException {
    assertThat(say(1)).containsExactly(1);
    link.cut(true);
    client.getOutputStream().write(2);
    client.setSoTimeout(300);
    assertThatThrownBy(() -> client.getInputStream().read())
        .isInstanceOf(SocketTimeoutException.class);
    link.cut(false);
    client.setSoTimeout(60_000);
    assertThat(client.getInputStream().read()).isEqualTo(2);
  }
}

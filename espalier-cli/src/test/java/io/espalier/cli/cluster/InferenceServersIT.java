package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.List;

/** Models on two processes of {@code espalier serve inference}. */
class InferenceServersIT extends ElsewhereContract {
  @Override
  ModelServer start(Path models) throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    return new Served(port);
  }

  private static final class Served implements ModelServer {
    private final int port;
    private ServerProcess process;

    Served(int port) throws Exception {
      this.port = port;
      this.process = launch(port);
    }

    private static ServerProcess launch(int port) throws Exception {
      ServerProcess started =
          ServerProcess.start(
              ROOT,
              List.of(
                  "serve",
                  "inference",
                  "--port",
                  Integer.toString(port),
                  "--set",
                  "inference.control=explicit",
                  "--set",
                  "inference.load=[]"));
      assertThat(started.target()).isEqualTo("127.0.0.1:" + port);
      return started;
    }

    @Override
    public String target() {
      return "127.0.0.1:" + port;
    }

    @Override
    public void kill() throws InterruptedException {
      process.kill();
    }

    @Override
    public void startAgain() throws Exception {
      process = launch(port);
    }

    @Override
    public void close() throws InterruptedException {
      process.close();
    }
  }
}

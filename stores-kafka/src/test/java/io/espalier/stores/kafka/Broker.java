package io.espalier.stores.kafka;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import kafka.tools.StorageTool;
import org.jspecify.annotations.Nullable;

/**
 * A real broker that is its own controller, on loopback. It can be killed, stopped and started.
 *
 * <p>It listens a second time for those who say who they are: {@code writer}, {@code secret}.
 */
public final class Broker implements AutoCloseable {
  private static final long START_SECONDS = 120;

  private final Path folder;
  private final int port;
  private final int authenticated;
  private @Nullable Process process;

  private Broker(Path folder, int port, int authenticated) {
    this.folder = folder;
    this.port = port;
    this.authenticated = authenticated;
  }

  /** Starts a new broker whose files are in a folder. */
  public static Broker start(Path folder) throws IOException, InterruptedException {
    Broker broker = new Broker(folder, freePort(), freePort());
    int controller = freePort();
    Files.writeString(
        broker.configuration(),
        """
        process.roles=broker,controller
        node.id=1
        # Who was killed is let in again when its session before is over.
        broker.heartbeat.interval.ms=200
        broker.session.timeout.ms=1000
        controller.quorum.voters=1@127.0.0.1:%1$d
        controller.listener.names=CONTROLLER
        listeners=PLAIN://127.0.0.1:%2$d,SASL://127.0.0.1:%3$d,CONTROLLER://127.0.0.1:%1$d
        inter.broker.listener.name=PLAIN
        listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
        listener.name.sasl.sasl.enabled.mechanisms=PLAIN
        listener.name.sasl.plain.sasl.jaas.config=\
        org.apache.kafka.common.security.plain.PlainLoginModule required user_writer="secret";
        log.dirs=%4$s
        offsets.topic.replication.factor=1
        offsets.topic.num.partitions=1
        transaction.state.log.replication.factor=1
        transaction.state.log.num.partitions=1
        transaction.state.log.min.isr=1
        """
            .formatted(controller, broker.port, broker.authenticated, folder.resolve("data")));
    int formatted =
        StorageTool.execute(
            new String[] {
              "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", broker.configuration().toString()
            },
            System.out);
    if (formatted != 0) {
      throw new IOException(folder + ": not formatted");
    }
    broker.start();
    return broker;
  }

  private Path configuration() {
    return folder.resolve("server.properties");
  }

  /** Starts it again. */
  public void start() throws IOException, InterruptedException {
    Path log = folder.resolve("broker.log");
    Process started =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                BrokerProcess.class.getName(),
                configuration().toString())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
            .start();
    process = started;
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
    while (!listens()) {
      if (!started.isAlive() || System.nanoTime() > until) {
        started.destroyForcibly();
        throw new IOException("no broker:\n" + Files.readString(log));
      }
      Thread.sleep(50);
    }
  }

  private boolean listens() {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** The log in a topic of this broker. */
  public KafkaAddress address(String topic) {
    return KafkaAddress.parse("kafka://127.0.0.1:" + port + "/" + topic);
  }

  /** The same, for those who say who they are. */
  KafkaAddress authenticatedAddress(String topic, Path properties) {
    return KafkaAddress.parse(
        "kafka://127.0.0.1:" + authenticated + "/" + topic + "?properties=" + properties);
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

package io.espalier.inference.triton;

import static java.util.Objects.requireNonNull;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.abort;

import com.github.dockerjava.api.exception.NotFoundException;
import com.github.dockerjava.api.model.Bind;
import io.espalier.inference.ModelCall;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;

/**
 * A real Triton server in a container, over a repository of model folders, which it loads by
 * request; gone when it is closed. {@code src/test/triton} has the image and says what stands in it
 * for the ONNX Runtime backend.
 */
public final class TritonContainer implements AutoCloseable {
  private static final String IMAGE = "espalier-triton:2.51";

  private final GenericContainer<?> container;
  private final ChannelCredentials credentials;
  private final Path holds;
  private final int grpcPort;
  private final int metricsPort;
  private final TritonModelRunner holder;
  private boolean killed;

  /**
   * Starts a server, or skips the test where there is no container runtime or no image, unless
   * {@code ESPALIER_TRITON=required}.
   *
   * @param arguments further arguments of the server
   */
  public static TritonContainer start(Path models, String... arguments) throws IOException {
    return start(models, InsecureChannelCredentials.create(), arguments);
  }

  /**
   * The same for a server that wants those credentials; its own files may lie beside the models,
   * which it has at {@code /models}.
   */
  public static TritonContainer start(
      Path models, ChannelCredentials credentials, String... arguments) throws IOException {
    if (!DockerClientFactory.instance().isDockerAvailable()) {
      missing("no container runtime answers");
    }
    try {
      var unused = DockerClientFactory.instance().client().inspectImageCmd(IMAGE).exec();
    } catch (NotFoundException e) {
      missing("there is no image " + IMAGE);
    }
    return new TritonContainer(models, credentials, List.of(arguments));
  }

  private static void missing(String what) {
    String message = what + " (expected: as inference/src/test/triton/with-triton.sh makes it)";
    if ("required".equals(System.getenv("ESPALIER_TRITON"))) {
      throw new IllegalStateException(message);
    }
    abort(message);
  }

  private TritonContainer(Path models, ChannelCredentials credentials, List<String> arguments)
      throws IOException {
    this.credentials = credentials;
    holds = Files.createTempDirectory("holds");
    // On the host's loopback: a bridge is the whole machine's, and two daemons give the same
    // addresses on it.
    grpcPort = freePort();
    metricsPort = freePort();
    List<String> command =
        new ArrayList<>(
            List.of(
                "--model-control-mode=explicit",
                // Each load starts Python processes, and one that does nothing for a second ends
                // the server (0026): one process a load, one load at a time.
                "--disable-auto-complete-config",
                "--model-load-thread-count=1",
                "--allow-http=false",
                "--grpc-address=127.0.0.1",
                "--grpc-port=" + grpcPort,
                "--metrics-address=127.0.0.1",
                "--metrics-port=" + metricsPort));
    command.addAll(arguments);
    container =
        new GenericContainer<>(IMAGE)
            .withImagePullPolicy(image -> false)
            .withCommand(command.toArray(String[]::new))
            .withNetworkMode("host")
            .withSharedMemorySize(1L << 28)
            .withCreateContainerCmdModifier(
                create ->
                    requireNonNull(create.getHostConfig())
                        .withBinds(
                            Bind.parse(models.toAbsolutePath().normalize() + ":/models:ro"),
                            Bind.parse(holds + ":/hold")))
            .waitingFor(Wait.forLogMessage(".*Started Metrics Service.*", 1))
            .withStartupTimeout(Duration.ofMinutes(2));
    container.start();
    holder = connect();
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** Where it serves gRPC. */
  public String target() {
    return "127.0.0.1:" + grpcPort;
  }

  /** A runner of its models, as a service would have one. */
  public TritonModelRunner connect() {
    TritonModelRunner runner =
        TritonModelRunner.connect(target(), credentials, TritonSettings.KEEP_ALIVE);
    runner.awaitServer(Duration.ofSeconds(30));
    return runner;
  }

  /** Keeps an instance of the call's model busy until it is closed; returns when it is. */
  AutoCloseable hold(ModelCall call) throws IOException {
    Path hold = Files.createFile(holds.resolve(call.model()));
    CompletableFuture<?> held = holder.infer(call);
    await().until(() -> held.isDone() || Files.exists(holds.resolve(call.model() + ".held")));
    return () -> {
      Files.delete(hold);
      held.join();
    };
  }

  /** A model's value of one of the server's metrics; 0 where it has none yet. */
  long metric(String name, String model) throws IOException, InterruptedException {
    try (HttpClient http = HttpClient.newHttpClient()) {
      String page =
          http.send(
                  HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + metricsPort + "/metrics"))
                      .build(),
                  HttpResponse.BodyHandlers.ofString())
              .body();
      return page.lines()
          .filter(line -> line.startsWith(name + "{") && line.contains('"' + model + '"'))
          .mapToLong(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
          .sum();
    }
  }

  /** Ends the server by SIGKILL. */
  public void kill() {
    container.getDockerClient().killContainerCmd(container.getContainerId()).exec();
    killed = true;
  }

  /** Starts it again, with nothing that was loaded by request. */
  public void startAgain() {
    killed = false;
    container.getDockerClient().startContainerCmd(container.getContainerId()).exec();
  }

  /** A server that ended by itself takes the reason with it, unless its last words are kept. */
  private void sayHowItEnded() {
    var state = container.getCurrentContainerInfo().getState();
    if (!Boolean.TRUE.equals(state.getRunning())) {
      System.out.printf(
          "tritonserver ended by itself, with %s; its log:%n%s%n",
          state.getExitCodeLong(), container.getLogs());
    }
  }

  @Override
  public void close() throws IOException {
    holder.close();
    if (!killed) {
      sayHowItEnded();
    }
    container.stop();
    try (Stream<Path> left = Files.list(holds)) {
      for (Path file : left.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(holds);
  }
}

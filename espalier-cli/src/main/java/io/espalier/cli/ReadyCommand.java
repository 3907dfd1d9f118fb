package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code espalier ready}: asks a server's gRPC health. */
@Command(
    name = "ready",
    description =
        "Asks a server whether it is SERVING (gRPC health); exit code 0 when it is, 4 when not.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier ready                          the router",
      "  until ./espalier ready --target 127.0.0.1:7701; do sleep 1; done"
    })
final class ReadyCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Option(
      names = "--target",
      paramLabel = "HOST:PORT",
      defaultValue = "127.0.0.1:7700",
      description = "The server (default: ${DEFAULT-VALUE}).")
  String target = "";

  @Mixin ClientOptions client = new ClientOptions();

  ReadyCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Caller caller = client.caller();
    ManagedChannel channel = ClientChannels.open(target, caller);
    try {
      ServingStatus status =
          HealthGrpc.newBlockingStub(channel)
              .withDeadlineAfter(2, TimeUnit.SECONDS)
              .check(HealthCheckRequest.getDefaultInstance())
              .getStatus();
      terminal.out().println(target + ": " + status);
      return status == ServingStatus.SERVING ? ExitCode.OK : ExitCode.UNREACHABLE;
    } catch (StatusRuntimeException e) {
      throw new ProgramException(
          ExitCode.UNREACHABLE,
          target
              + ": "
              + Caller.tlsFailure(e).orElse(e.getStatus().getCode().toString())
              + " (expected: a server that is SERVING)");
    } finally {
      channel.shutdownNow();
    }
  }
}

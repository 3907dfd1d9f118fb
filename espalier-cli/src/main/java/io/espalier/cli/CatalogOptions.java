package io.espalier.cli;

import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogClient;
import io.espalier.cli.cluster.Stage;
import io.espalier.cli.show.Terminal;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Where a catalogue's writer is, and changes sent to it. */
final class CatalogOptions {
  @Option(
      names = "--catalog",
      paramLabel = "HOST:PORT",
      description = "The catalogue's writer (default: 127.0.0.1:7704).")
  String target = "127.0.0.1:" + Stage.CATALOG.port();

  @Mixin ClientOptions client = new ClientOptions();

  /** A channel to it; the caller stays open for as long as this process. */
  ManagedChannel open() {
    return ClientChannels.open(target, client.caller());
  }

  /** Sends changes and says what became of them. */
  int send(List<CatalogChange> changes, Terminal terminal) throws InterruptedException {
    ManagedChannel channel = open();
    try {
      CatalogClient.Outcome outcome = new CatalogClient(channel).send(changes);
      outcome.refused().forEach(line -> terminal.err().println(line));
      outcome.withoutId().forEach(line -> terminal.err().println(line));
      terminal.err().flush();
      terminal
          .out()
          .println(
              outcome.accepted()
                  + " changes, durable at offset "
                  + outcome.lastOffset()
                  + (outcome.refused().isEmpty()
                      ? ""
                      : ", " + outcome.refused().size() + " refused"));
      terminal.out().flush();
      return outcome.refused().isEmpty() ? ExitCode.OK : ExitCode.FAILED;
    } catch (StatusException e) {
      throw new StatusRuntimeException(e.getStatus(), e.getTrailers());
    } finally {
      channel.shutdownNow();
    }
  }
}

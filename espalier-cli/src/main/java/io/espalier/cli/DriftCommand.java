package io.espalier.cli;

import io.espalier.catalog.v1.BundleDrift;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.DriftRequest;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import io.grpc.ManagedChannel;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code espalier drift}. */
@Command(
    name = "drift",
    description =
        "Says how far the semantic ids of new items are from those that each bundle was trained"
            + " on: about 0 where nothing drifts; above 0.1 is worth a look.",
    footerHeading = "%nExamples:%n",
    footer = {"  ./espalier drift", "  ./espalier drift --catalog catalog:7704"})
final class DriftCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Mixin CatalogOptions catalogue = new CatalogOptions();

  DriftCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    ManagedChannel channel = catalogue.open();
    try {
      Table table =
          new Table()
              .column("bundle", Side.LEFT)
              .column("new items", Side.RIGHT)
              .column("drift", Side.RIGHT);
      for (BundleDrift drift :
          CatalogServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(10, TimeUnit.SECONDS)
              .drift(DriftRequest.getDefaultInstance())
              .getBundlesList()) {
        table.row(
            drift.getBundle() + "@" + drift.getVersion(),
            Long.toString(drift.getItems()),
            String.format(Locale.ROOT, "%.3f", drift.getIndex()));
      }
      terminal.print(table);
      return ExitCode.OK;
    } finally {
      channel.shutdownNow();
    }
  }
}

package io.espalier.cli;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.CatalogServiceGrpc.CatalogServiceBlockingStub;
import io.espalier.catalog.v1.ListSnapshotsRequest;
import io.espalier.catalog.v1.PublishSnapshotRequest;
import io.espalier.catalog.v1.RollBackRequest;
import io.espalier.catalog.v1.SnapshotInfo;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Terminal;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code espalier snapshots list|publish|rollback}. */
@Command(
    name = "snapshots",
    description = "The published snapshots of a running catalogue, and the way back to one.",
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier snapshots list",
      "  ./espalier snapshots publish          before a large import",
      "  ./espalier snapshots rollback 4000    the catalogue is again what it was at offset 4000"
    })
final class SnapshotsCommand {
  private static final Duration SOON = Duration.ofSeconds(30);
  // What snapshots of all items take, and one that is being published before.
  private static final Duration LATE = Duration.ofMinutes(10);

  private final Terminal terminal;

  SnapshotsCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Command(
      name = "list",
      mixinStandardHelpOptions = true,
      description = "Lists the snapshots that are kept, newest first.")
  int list(@Mixin CatalogOptions catalogue) {
    return with(
        catalogue,
        SOON,
        service ->
            print(
                service
                    .listSnapshots(ListSnapshotsRequest.getDefaultInstance())
                    .getSnapshotsList()));
  }

  @Command(
      name = "publish",
      mixinStandardHelpOptions = true,
      description = "Publishes a snapshot of the catalogue as it is.")
  int publish(@Mixin CatalogOptions catalogue) {
    return with(
        catalogue,
        LATE,
        service ->
            print(
                List.of(
                    service
                        .publishSnapshot(PublishSnapshotRequest.getDefaultInstance())
                        .getSnapshot())));
  }

  @Command(
      name = "rollback",
      mixinStandardHelpOptions = true,
      description = "Takes the catalogue back to a snapshot; a change like any other.")
  int rollback(
      @Mixin CatalogOptions catalogue,
      @Parameters(paramLabel = "OFFSET", description = "The snapshot's offset.") long offset) {
    return with(
        catalogue,
        LATE,
        service -> {
          long at =
              service
                  .rollBack(RollBackRequest.newBuilder().setSnapshotOffset(offset).build())
                  .getOffset();
          terminal
              .out()
              .println("the catalogue is that of offset " + offset + " again, from offset " + at);
          terminal.out().flush();
        });
  }

  private static int with(
      CatalogOptions catalogue, Duration patience, Consumer<CatalogServiceBlockingStub> work) {
    ManagedChannel channel = catalogue.open();
    try {
      work.accept(
          CatalogServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(patience.toMillis(), TimeUnit.MILLISECONDS));
      return ExitCode.OK;
    } finally {
      channel.shutdownNow();
    }
  }

  private void print(List<SnapshotInfo> snapshots) {
    Table table =
        new Table()
            .column("offset", Table.Side.RIGHT)
            .column("items", Table.Side.RIGHT)
            .column("MB", Table.Side.RIGHT)
            .column("published", Table.Side.LEFT)
            .column("bundles", Table.Side.LEFT);
    for (SnapshotInfo snapshot : snapshots) {
      table.row(
          List.of(
              Long.toString(snapshot.getOffset()),
              Integer.toString(snapshot.getItems()),
              String.format(Locale.ROOT, "%.1f", snapshot.getBytes() / 1e6),
              Instant.ofEpochMilli(snapshot.getPublishedMs()).toString(),
              String.join(" ", snapshot.getBundlesList())));
    }
    terminal.print(table);
  }
}

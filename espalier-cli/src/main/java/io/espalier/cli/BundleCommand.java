package io.espalier.cli;

import io.espalier.admin.v1.BundleAdminServiceGrpc;
import io.espalier.admin.v1.BundleAdminServiceGrpc.BundleAdminServiceBlockingStub;
import io.espalier.admin.v1.BundleStatus;
import io.espalier.admin.v1.ListBundlesRequest;
import io.espalier.admin.v1.LoadBundleRequest;
import io.espalier.admin.v1.LoadBundleResponse;
import io.espalier.admin.v1.UnloadBundleRequest;
import io.espalier.admin.v1.UnloadBundleResponse;
import io.espalier.bundles.BundleId;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import io.espalier.server.ReplicaAddress;
import io.grpc.Channel;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** {@code espalier bundle load|unload|status}. */
@Command(
    name = "bundle",
    aliases = "bundles",
    description =
        "Bundles: models, tables and vectors that are deployed together, and the versions that"
            + " running servers have.",
    synopsisSubcommandLabel = "COMMAND",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier bundle list",
      "  ./espalier bundle load shop-tiger@2                 beside shop-tiger@1, into ./espalier up",
      "  ./espalier bundle load shop-tiger@2 --target 127.0.0.1:7701 --target 127.0.0.1:7704",
      "      into a retrieval server, then into the catalogue's writer",
      "  ./espalier bundle load shop-tiger@2 --target dns:///retrieval:7701   into every replica",
      "  ./espalier bundle status --target 127.0.0.1:7701",
      "  ./espalier bundle unload shop-tiger@1               once no route names it any more"
    })
final class BundleCommand {
  // A large bundle of a slow disk, and items that came since it was trained.
  private static final Duration LOAD = Duration.ofMinutes(30);
  private static final Duration UNLOAD = Duration.ofMinutes(1);
  private static final Duration STATUS = Duration.ofSeconds(10);

  private final Terminal terminal;

  BundleCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  /** Reads {@code name@version}. */
  static final class Ids implements ITypeConverter<BundleId> {
    @Override
    public BundleId convert(String text) {
      try {
        return BundleId.parse(text);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(String.valueOf(e.getMessage()));
      }
    }
  }

  @Command(
      name = "load",
      mixinStandardHelpOptions = true,
      description =
          "Loads a version into running servers beside those that they serve: verified, loaded,"
              + " warmed. Routes name it from then on.")
  int load(
      @Mixin AdminTargets servers,
      @Parameters(paramLabel = "NAME@VERSION", converter = Ids.class) BundleId bundle,
      @Option(
              names = "--stage",
              defaultValue = "",
              description = "That stage of a server alone: rewrite, retrieval, ranking, catalog.")
          String stage) {
    for (ReplicaAddress replica : servers.all()) {
      LoadBundleResponse loaded =
          servers.ask(
              replica,
              channel ->
                  stub(channel, LOAD)
                      .loadBundle(
                          LoadBundleRequest.newBuilder()
                              .setBundle(bundle.name())
                              .setVersion(bundle.version())
                              .setStage(stage)
                              .build()));
      print(
          "%s serves at %s (%s) after %,d ms"
              .formatted(
                  bundle,
                  replica.target(),
                  String.join(", ", loaded.getStagesList()),
                  loaded.getTookMs()));
    }
    return ExitCode.OK;
  }

  @Command(
      name = "unload",
      mixinStandardHelpOptions = true,
      description = "Takes a version out of running servers, once nobody asks for it any more.")
  int unload(
      @Mixin AdminTargets servers,
      @Parameters(paramLabel = "NAME@VERSION", converter = Ids.class) BundleId bundle,
      @Option(
              names = "--stage",
              defaultValue = "",
              description = "From that stage of a server alone.")
          String stage,
      @Option(
              names = "--quiet",
              paramLabel = "TIME",
              defaultValue = "2s",
              converter = Durations.class,
              description = "How long nobody may have asked for it (default: ${DEFAULT-VALUE}).")
          Duration quiet,
      @Option(names = "--force", description = "At once; requests that name it fail.")
          boolean force) {
    for (ReplicaAddress replica : servers.all()) {
      UnloadBundleResponse unloaded =
          servers.ask(
              replica,
              channel ->
                  stub(channel, UNLOAD.plus(quiet))
                      .unloadBundle(
                          UnloadBundleRequest.newBuilder()
                              .setBundle(bundle.name())
                              .setVersion(bundle.version())
                              .setStage(stage)
                              .setQuietMs(quiet.toMillis())
                              .setForce(force)
                              .build()));
      print(
          "%s is out of %s (%s)%s"
              .formatted(
                  bundle,
                  replica.target(),
                  String.join(", ", unloaded.getStagesList()),
                  unloaded.getClosed() ? "" : "; its last requests are still answered"));
    }
    return ExitCode.OK;
  }

  @Command(
      name = "status",
      mixinStandardHelpOptions = true,
      description = "What becomes of each version in running servers.")
  int status(@Mixin AdminTargets servers) {
    Table table =
        new Table()
            .column("server", Side.LEFT)
            .column("stage", Side.LEFT)
            .column("bundle", Side.LEFT)
            .column("state", Side.LEFT)
            .column("requests", Side.RIGHT)
            .column("idle", Side.RIGHT)
            .column("why", Side.LEFT);
    for (ReplicaAddress replica : servers.all()) {
      for (BundleStatus status :
          servers.ask(
              replica,
              channel ->
                  stub(channel, STATUS)
                      .listBundles(ListBundlesRequest.getDefaultInstance())
                      .getBundlesList())) {
        table.row(
            replica.target(),
            status.getStage(),
            status.getBundle() + "@" + status.getVersion(),
            status.getState().name().replace("BUNDLE_STATE_", "").toLowerCase(Locale.ROOT),
            Integer.toString(status.getUsers()),
            String.format(Locale.ROOT, "%.1f s", status.getIdleMs() / 1000.0),
            status.getFailure());
      }
    }
    terminal.print(table);
    return ExitCode.OK;
  }

  private static BundleAdminServiceBlockingStub stub(Channel channel, Duration patience) {
    return BundleAdminServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(patience.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void print(String line) {
    terminal.out().println(line);
    terminal.out().flush();
  }
}

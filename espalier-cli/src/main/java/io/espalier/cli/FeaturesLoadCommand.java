package io.espalier.cli;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.FeatureSettings;
import io.espalier.cli.show.Terminal;
import io.espalier.ranking.BundleFeatures;
import io.espalier.stores.features.FeatureTable;
import io.espalier.stores.redis.RedisFeatureTables;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier features load BUNDLE…}. */
@Command(
    name = "load",
    description = {
      "Puts the feature tables of bundles on a server, each under bundle@version, for ranking servers"
          + " to look up.",
      "A table that is there is kept; a version whose table would change is refused."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier features load beauty-heterrec@1 --to redis://127.0.0.1:6379/1",
      "  ./espalier serve ranking --set features.store=redis://127.0.0.1:6379/1"
    })
final class FeaturesLoadCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Parameters(
      paramLabel = "BUNDLE",
      arity = "1..*",
      description = "E4SRec, HeterRec and DenseText bundles, as name@version.")
  List<String> bundles = List.of();

  @Option(
      names = "--to",
      required = true,
      paramLabel = "WHERE",
      description = "redis[s]://[[user]:password@]host:port[/db][?password_file=FILE][&ca=FILE].")
  String to = "";

  @Mixin RepositoryOption repository = new RepositoryOption();

  FeaturesLoadCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() {
    BundleRepository opened = repository.open(home);
    List<BundleId> ids = bundles.stream().map(BundleId::parse).toList();
    try (RedisFeatureTables tables = FeatureSettings.tables("--to", to)) {
      for (BundleId id : ids) {
        FeatureTable table = BundleFeatures.read(opened, id);
        boolean loaded = load(tables, id, table);
        terminal
            .out()
            .printf(
                Locale.ROOT,
                "%s: %,d items of %,d bytes, %s%n",
                id,
                table.items().size(),
                table.rowBytes(),
                loaded ? "loaded" : "there already");
      }
    }
    terminal.out().flush();
    return ExitCode.OK;
  }

  private static boolean load(RedisFeatureTables tables, BundleId id, FeatureTable table) {
    try {
      return tables.load(id.toString(), table);
    } catch (IllegalStateException e) {
      throw new ProgramException(ExitCode.FAILED, String.valueOf(e.getMessage()));
    }
  }
}

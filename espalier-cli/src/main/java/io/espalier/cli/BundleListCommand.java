package io.espalier.cli;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code espalier bundle list}. */
@Command(
    name = "list",
    description = "Lists the bundles of a model repository and what their recipes measured.",
    footerHeading = "%nExamples:%n",
    footer = {"  ./espalier bundle list", "  ./espalier bundle list --model-repo out/beauty"})
final class BundleListCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Mixin RepositoryOption repository = new RepositoryOption();

  BundleListCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() {
    BundleRepository bundles = repository.open(home);
    Table table =
        new Table()
            .column("bundle", Side.LEFT)
            .column("system", Side.LEFT)
            .column("shape", Side.LEFT)
            .column("trained on", Side.LEFT, 24)
            .column("data licence", Side.LEFT, 24)
            .column("measured by its recipe", Side.LEFT);
    int broken = 0;
    for (BundleId id : bundles.list()) {
      Bundle bundle;
      try {
        bundle = bundles.get(id);
      } catch (BundleException e) {
        broken++;
        table.row(id.toString(), "broken", "", "", "", String.valueOf(e.getMessage()));
        continue;
      }
      table.row(
          id.toString(),
          bundle.system(),
          bundle.manifest().shape().name().toLowerCase(Locale.ROOT),
          bundle.manifest().data().name(),
          bundle.manifest().data().licence(),
          bundle.manifest().metrics().entrySet().stream()
              .sorted(Map.Entry.comparingByKey())
              .map(
                  metric ->
                      metric.getKey() + " " + String.format(Locale.ROOT, "%.4g", metric.getValue()))
              .collect(Collectors.joining(", ")));
    }
    terminal.print(table);
    return broken == 0 ? ExitCode.OK : ExitCode.FAILED;
  }
}

package io.espalier.cli;

import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.StageServers;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import io.espalier.server.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code espalier validate}. */
@Command(
    name = "validate",
    description =
        "Checks every bundle's manifest, files and checksums, and every route, of a model"
            + " repository.",
    footerHeading = "%nExamples:%n",
    footer = {"  ./espalier validate", "  ./espalier validate --model-repo out/beauty"})
final class ValidateCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Mixin RepositoryOption repository = new RepositoryOption();

  ValidateCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() throws IOException {
    BundleRepository bundles = repository.open(home);
    Table table = new Table().column("checked", Side.LEFT).column("found", Side.LEFT);
    List<BundleId> ids = bundles.list();
    int problems = 0;
    for (BundleId id : ids) {
      String found = found(() -> bundles.get(id).verify());
      problems += found.isEmpty() ? 0 : 1;
      table.row("bundle " + id, found.isEmpty() ? "sound" : found);
    }
    for (Path file : routes(bundles.root())) {
      String found = found(() -> check(bundles, file));
      problems += found.isEmpty() ? 0 : 1;
      table.row("route " + file.getFileName(), found.isEmpty() ? "sound" : found);
    }
    terminal.print(table);
    if (problems > 0) {
      throw new ProgramException(
          ExitCode.FAILED,
          problems
              + " of "
              + (ids.size() + routes(bundles.root()).size())
              + " are not sound (expected: 0)");
    }
    return ExitCode.OK;
  }

  private static void check(BundleRepository bundles, Path file) {
    StageServers.checkRoute(file).bundles().forEach(bundles::get);
  }

  private static String found(Runnable check) {
    try {
      check.run();
      return "";
    } catch (BundleException | ConfigException e) {
      return String.valueOf(e.getMessage());
    }
  }

  private static List<Path> routes(Path root) throws IOException {
    Path folder = root.resolve("routes");
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(file -> file.toString().endsWith(".yaml")).sorted().toList();
    }
  }
}

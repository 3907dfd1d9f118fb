package io.espalier.cli;

import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.Deployment;
import io.espalier.cli.cluster.EngineSettings;
import io.espalier.cli.show.Terminal;
import io.espalier.stores.catalog.DataFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which catalogue and which bundles a cluster serves, and where its models run. */
final class ClusterOptions {
  @Option(
      names = "--data",
      paramLabel = "DIR",
      description = "The data folder (default: the built-in shop, generated on first use).")
  @Nullable Path data;

  @Option(
      names = "--engine",
      split = ",",
      paramLabel = "TARGET",
      description =
          "Run the models on these servers of the Open Inference Protocol (Triton, or espalier serve"
              + " inference), for example dns:///triton:8001 (default: in this process).")
  List<String> engine = List.of();

  @Mixin RepositoryOption repository = new RepositoryOption();

  Deployment deployment(Home home, Terminal terminal) {
    BundleRepository bundles = repository.open(home);
    return Deployment.of(bundles, DataFolder.open(folder(home, terminal)));
  }

  EngineSettings engine() {
    return EngineSettings.defaults().at(engine);
  }

  Path folder(Home home, Terminal terminal) {
    Path given = data;
    if (given == null) {
      return ShopCommand.builtIn(home, terminal);
    }
    if (!Files.isDirectory(given)) {
      throw new ProgramException(
          ExitCode.MISSING,
          "--data: " + given + " (expected: a folder with items.jsonl or products.jsonl)");
    }
    return given;
  }
}

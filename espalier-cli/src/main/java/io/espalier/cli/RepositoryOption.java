package io.espalier.cli;

import io.espalier.bundles.BundleRepository;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model repository a command works on. */
final class RepositoryOption {
  @Option(
      names = "--model-repo",
      paramLabel = "DIR",
      description =
          "The model repository: models/, bundles/, routes/ (default: the project's own"
              + " model-repo).")
  @Nullable Path directory;

  Path path(Home home) {
    Path given = directory;
    return given == null ? home.modelRepository() : given;
  }

  BundleRepository open(Home home) {
    Path path = path(home);
    if (!Files.isDirectory(path)) {
      throw new ProgramException(
          ExitCode.MISSING,
          "--model-repo: " + path + " (expected: a folder with models/ and bundles/)");
    }
    return BundleRepository.open(path);
  }
}

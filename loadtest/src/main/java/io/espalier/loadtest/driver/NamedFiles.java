package io.espalier.loadtest.driver;

import io.espalier.server.ConfigException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * A folder of YAML files that are asked for by name.
 *
 * @param folder with a {@code NAME.yaml} for each
 */
public record NamedFiles(Path folder) {
  private static final String SUFFIX = ".yaml";

  /**
   * The file of a name.
   *
   * @param kind what is in the files, for the error
   */
  public Path file(String kind, String name) {
    Path file = folder.resolve(name + SUFFIX);
    if (!Files.isRegularFile(file)) {
      throw new ConfigException("%s: %s (expected: one of %s)".formatted(kind, name, names()));
    }
    return file;
  }

  /** The names, sorted. */
  public List<String> names() {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(SUFFIX))
          .map(name -> name.substring(0, name.length() - SUFFIX.length()))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

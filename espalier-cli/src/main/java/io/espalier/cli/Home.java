package io.espalier.cli;

import java.nio.file.Path;

/**
 * The checkout that the program runs from.
 *
 * @param root the folder that holds {@code ./espalier}
 */
record Home(Path root) {

  /** The folder that the launcher names; the working directory without a launcher. */
  static Home ofProcess() {
    return new Home(Path.of(System.getProperty("espalier.root", "")).toAbsolutePath().normalize());
  }

  /** The model repository that comes with the project. */
  Path modelRepository() {
    return root.resolve("model-repo");
  }

  /** What the program makes on this machine and can make again. */
  Path state() {
    return root.resolve(".espalier");
  }

  /** The built-in shop's data folder. */
  Path shop() {
    return state().resolve("shop");
  }

  /** Rewrite tables of data that may not lie in the model repository. */
  Path rewriteTables() {
    return state().resolve("rewrite-tables");
  }

  /** A path as a person would type it: relative to the working directory where it lies below it. */
  static String shown(Path path) {
    Path here = Path.of("").toAbsolutePath();
    Path there = path.toAbsolutePath().normalize();
    return there.startsWith(here) && !there.equals(here)
        ? here.relativize(there).toString()
        : there.toString();
  }
}

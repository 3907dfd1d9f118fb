package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.stores.catalog.DataFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier train}: runs the recipes in their own Python environment. */
@Command(
    name = "train",
    description = {
      "Trains every bundle that a data folder allows and writes a model repository that servers can"
          + " load.",
      "Interrupted, it goes on where it stopped when it is started again with the same --out."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier train --data my-catalogue --out out/mine",
      "  ./espalier train --data my-catalogue --out out/mine --max-time 60m   each model stops at"
          + " its best so far",
      "  ./espalier up --data my-catalogue --model-repo out/mine              and serve it",
      "",
      "The data folder's format is in docs/bundles.md (\"Data folders\"). Needs Python 3.12 or"
          + " 3.13; the packages are",
      "installed into .espalier/venv on first use."
    })
final class TrainCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Option(names = "--data", required = true, paramLabel = "DIR", description = "The data folder.")
  Path data = Path.of("");

  @Option(
      names = "--out",
      required = true,
      paramLabel = "DIR",
      description = "Where the model repository is written.")
  Path out = Path.of("");

  @Option(
      names = "--max-time",
      paramLabel = "TIME",
      converter = Durations.class,
      description =
          "Fit everything into this time, such as 60m or 3h (default: 170m)."
              + " Each model stops earlier where it stops improving.")
  @Nullable Duration maxTime;

  @Parameters(
      paramLabel = "ARG",
      description =
          "After --, further arguments of the recipes (see python -m espalier_recipes train"
              + " --help).")
  List<String> further = new ArrayList<>();

  TrainCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() throws InterruptedException {
    if (!Files.isDirectory(data)) {
      throw new ProgramException(
          ExitCode.MISSING,
          "--data: " + data + " (expected: a folder with items.jsonl or products.jsonl)");
    }
    check(DataFolder.open(data));
    Path recipes = home.modelRepository().resolve("recipes");
    List<String> command = new ArrayList<>();
    command.add(python(recipes));
    command.addAll(
        List.of(
            "-u", "-m", "espalier_recipes", "train", "--data", data.toAbsolutePath().toString()));
    command.addAll(List.of("--out", out.toAbsolutePath().toString()));
    Duration limit = maxTime;
    if (limit != null) {
      command.addAll(List.of("--max-time", limit.toSeconds() + "s"));
    }
    command.addAll(further);
    ProcessBuilder training = new ProcessBuilder(command).directory(recipes.toFile()).inheritIO();
    int code = run(training);
    if (code != 0) {
      throw new ProgramException(
          ExitCode.FAILED,
          "train: the recipes ended with exit code "
              + code
              + " (expected: 0); what they finished is kept, the same command goes on from there");
    }
    terminal.out().println("bundles are in " + Home.shown(out) + "; serve them with");
    terminal
        .out()
        .println("  ./espalier up --data " + Home.shown(data) + " --model-repo " + Home.shown(out));
    return ExitCode.OK;
  }

  /** Reads what will be served, so that a mistake in it is told now and not after the training. */
  private static void check(DataFolder folder) {
    if (folder.items().isEmpty()) {
      throw new ProgramException(
          ExitCode.MISSING, "--data: " + folder.directory() + ": no items (expected: at least 1)");
    }
    var unused = List.of(folder.sequences(), folder.judgments(), folder.queries());
  }

  private String python(Path recipes) throws InterruptedException {
    try {
      Process process =
          new ProcessBuilder("sh", recipes.resolve("venv.sh").toString())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new ProgramException(
            ExitCode.MISSING, "train: no Python environment (the lines above say why)");
      }
      return printed.lines().reduce("", (earlier, line) -> line);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int run(ProcessBuilder command) throws InterruptedException {
    try {
      return command.start().waitFor();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

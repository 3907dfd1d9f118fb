package io.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.cli.show.Terminal;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProgramTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  @TempDir private Path root = Path.of("");

  private int run(String... args) {
    Terminal terminal = new Terminal(new PrintWriter(out), new PrintWriter(err), 100, false, false);
    int code = Program.commandLine(terminal, new Home(root)).execute(args);
    terminal.out().flush();
    terminal.err().flush();
    return code;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "up",
        "serve",
        "search",
        "recommend",
        "why-not",
        "record",
        "erase",
        "ready",
        "eval",
        "validate",
        "train",
        "shop",
        "text-search",
        "snapshots",
        "bundle",
        "routes",
        "replay"
      })
  void help_ofEveryCommand_showsExamplesAndExitCodes(String command) {
    assertThat(run(command, "--help")).isZero();
    assertThat(out.toString())
        .contains(
            "Usage: espalier " + command, "Examples:", "./espalier " + command, "Exit codes:");
  }

  @Test
  void snapshots_rollbackWithoutAServer_saysThatNoneAnswers() {
    assertThat(run("snapshots", "rollback", "4", "--catalog", "127.0.0.1:1"))
        .isEqualTo(ExitCode.UNREACHABLE);
  }

  @Test
  void execute_noCommand_showsHelpAndFails() {
    assertThat(run()).isEqualTo(ExitCode.USAGE);
    assertThat(err.toString()).contains("Start here:", "./espalier up --once");
  }

  @Test
  void execute_unknownCommand_suggestsTheNearest() {
    assertThat(run("recomend", "u1")).isEqualTo(ExitCode.USAGE);
    assertThat(err.toString()).contains("recommend").doesNotContain("Usage:");
  }

  @Test
  void search_noServer_saysWhatToDo() {
    assertThat(run("search", "sofa", "--target", "127.0.0.1:1")).isEqualTo(ExitCode.UNREACHABLE);
    assertThat(err.toString())
        .isEqualToIgnoringNewLines(
            "espalier search: router: none answers at 127.0.0.1:1 (expected: a running one; start"
                + " it with ./espalier up)");
  }

  @Test
  void up_missingDataFolder_isMissing() {
    assertThat(
            run(
                "up",
                "--once",
                "--data",
                root.resolve("none").toString(),
                "--model-repo",
                root.toString()))
        .isEqualTo(ExitCode.FAILED);
    assertThat(err.toString())
        .startsWith("espalier up: model repository: ")
        .contains("(expected: a folder with bundles/)");
  }

  @Test
  void search_badDeadline_namesTheExpectation() {
    assertThat(run("search", "sofa", "--deadline", "soon")).isEqualTo(ExitCode.USAGE);
    assertThat(err.toString())
        .contains("soon (expected: a number and a unit, such as 200ms, 2s, 60m or 3h)");
  }
}

package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Report;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The measurement itself, briefly: every process is read; what grew so soon says nothing. */
class SoakIT {
  private static final String RESIDENT = "[0-9.]+ to [0-9.]+ \\([+-][0-9.]+ %\\)";

  @TempDir private Path folder = Path.of("");

  @Test
  @EnabledOnOs(OS.LINUX)
  void command_someSeconds_readsEveryProcessAndLosesNothing() {
    StringWriter text = new StringWriter();
    String models = Path.of(System.getProperty("espalier.root"), "model-repo").toString();
    List<String> arguments =
        List.of(
            "--items=3000",
            "--changes=200",
            "--rate=20",
            "--window-s=1",
            "--warm-windows=0",
            "--deadline-ms=30000",
            "--server-heap=512m",
            "--settle=PT1S",
            "--length=PT4S",
            "--model-repo=" + models,
            "--out=" + folder);

    int code =
        new CommandLine(new SoakCommand(new Report(new PrintWriter(text))))
            .execute(arguments.toArray(String[]::new));

    assertThat(code).as(text.toString()).isIn(0, 1);
    assertThat(text.toString())
        .contains(" 0 failed, 0 refused, 0 degraded;")
        .containsPattern("catalog +" + RESIDENT + " +" + RESIDENT)
        .containsPattern("retrieval +" + RESIDENT + " +" + RESIDENT)
        .containsPattern("router +" + RESIDENT + " +" + RESIDENT);
  }
}

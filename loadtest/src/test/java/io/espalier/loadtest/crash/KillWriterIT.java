package io.espalier.loadtest.crash;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Report;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** A writer's process is killed ten times while clients stream; 1,000 times by hand. */
class KillWriterIT {
  @Test
  void changes_surviveTenKills(@TempDir Path folder) {
    StringWriter text = new StringWriter();
    String models = Path.of(System.getProperty("espalier.root"), "model-repo").toString();

    int code =
        new CommandLine(new KillWriterCommand(new Report(new PrintWriter(text))))
            .execute(
                "--rounds",
                "10",
                "--rounds-per-log",
                "7",
                "--model-repo",
                models,
                "--out",
                folder.toString());

    assertThat(code).as(text.toString()).isZero();
    assertThat(text.toString()).contains("10 kills under load").doesNotContain(" 0 snapshots of");
  }
}

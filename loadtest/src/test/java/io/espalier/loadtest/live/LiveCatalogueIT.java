package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Report;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The measurement itself, briefly: every answer legal, whatever the times were. */
class LiveCatalogueIT {
  @Test
  void command_fewCompactions_seesOnlyLegalItems(@TempDir Path folder) {
    StringWriter text = new StringWriter();
    String models = Path.of(System.getProperty("espalier.root"), "model-repo").toString();

    int code =
        new CommandLine(new LiveCatalogueCommand(new Report(new PrintWriter(text))))
            .execute(
                "--items",
                "3000",
                "--events",
                "2",
                "--changes",
                "800",
                "--rate",
                "20",
                "--window-s",
                "1",
                "--warm-windows",
                "0",
                "--deadline-ms",
                "30000",
                "--model-repo",
                models,
                "--out",
                folder.toString());

    // Whether the driver was late on a busy machine is no matter here.
    assertThat(code).as(text.toString()).isIn(0, LiveCatalogueCommand.VOID);
    assertThat(text.toString()).contains("0 failed,").contains(" 0 illegal,");
    assertThat(folder.resolve("histograms/requests.hlog")).isRegularFile();
  }
}

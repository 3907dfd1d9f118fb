package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Report;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/**
 * The measurement itself, briefly: no answer lost, none of two versions, whatever the times were.
 */
class SwitchIT {
  @TempDir private Path folder = Path.of("");

  @Test
  void command_switchesAndRollbacks_losesNoRequestAndMixesNoList() {
    StringWriter text = new StringWriter();
    List<String> arguments =
        List.of(
            "--items", "3000",
            "--switches", "6",
            "--rollback-every", "3",
            "--changes", "200",
            "--rate", "20",
            "--window-s", "1",
            "--warm-windows", "0",
            "--quiet-ms", "300",
            "--pause-ms", "50",
            "--deadline-ms", "30000",
            "--model-repo", Path.of(System.getProperty("espalier.root"), "model-repo").toString(),
            "--out", folder.toString());

    int code =
        new CommandLine(new SwitchCommand(new Report(new PrintWriter(text))))
            .execute(arguments.toArray(String[]::new));

    // Whether the driver was late on a busy machine is no matter here.
    assertThat(code).as(text.toString()).isIn(0, SwitchCommand.VOID);
    assertThat(text.toString())
        .contains("0 failed,", " 0 of two versions,", " 0 illegal,")
        .doesNotContain(" 0 rollbacks, 0 changes");
    assertThat(folder.resolve("histograms/during.hgrm")).isRegularFile();
  }
}

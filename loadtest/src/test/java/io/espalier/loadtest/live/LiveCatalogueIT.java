package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Report;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The measurement itself, briefly: every answer legal, whatever the times were. */
class LiveCatalogueIT {
  @TempDir private Path folder = Path.of("");

  @Test
  void command_publishedSnapshotsAndReturns_seesOnlyLegalItems() {
    assertThat(run("--events", "8", "--rollback-every", "3")).doesNotContain(" 0 returns\nall");
  }

  @Test
  void command_serversOwnSnapshots_seesOnlyLegalItems() {
    assertThat(run("--events", "2", "--unpublished")).contains(" 0 returns");
  }

  private String run(String... more) {
    StringWriter text = new StringWriter();
    String models = Path.of(System.getProperty("espalier.root"), "model-repo").toString();
    List<String> arguments =
        new ArrayList<>(
            List.of("--items", "3000", "--changes", "800", "--rate", "20", "--window-s", "1"));
    arguments.addAll(List.of("--warm-windows", "0", "--deadline-ms", "30000"));
    arguments.addAll(List.of("--model-repo", models, "--out", folder.toString()));
    arguments.addAll(List.of(more));

    int code =
        new CommandLine(new LiveCatalogueCommand(new Report(new PrintWriter(text))))
            .execute(arguments.toArray(String[]::new));

    // Whether the driver was late on a busy machine is no matter here.
    assertThat(code).as(text.toString()).isIn(0, LiveCatalogueCommand.VOID);
    assertThat(text.toString()).contains("0 failed,").contains(" 0 illegal,");
    assertThat(folder.resolve("histograms/requests.hlog")).isRegularFile();
    return text.toString();
  }
}

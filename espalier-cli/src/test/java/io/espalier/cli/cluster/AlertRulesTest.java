package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.espalier.cli.cluster.Monitoring.Alert;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AlertRulesTest {
  @Test
  void alerts_eachOne_isExplainedAndHasACaseThatRings() throws IOException {
    String operations = Files.readString(Monitoring.ROOT.resolve("docs/operations.md"));
    String cases = Files.readString(Monitoring.FOLDER.resolve("alerts_test.yaml"));
    List<Alert> alerts = Monitoring.alerts();
    assertThat(alerts).hasSizeGreaterThan(10);
    for (Alert alert : alerts) {
      assertThat(operations).contains("`" + alert.name() + "`");
      assertThat(cases).containsPattern("alertname: " + alert.name() + "\n +exp_alerts:\n");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"check rules alerts.yaml", "test rules alerts_test.yaml"})
  void promtool_rulesAndTheirCases_areSound(String command) throws Exception {
    Optional<Path> promtool = Monitoring.program("promtool");
    assumeTrue(promtool.isPresent(), "no promtool on the path: k8s/monitoring/tools.sh has it");
    List<String> words = new ArrayList<>(List.of(promtool.get().toString()));
    words.addAll(List.of(command.split(" ", -1)));
    Process process =
        new ProcessBuilder(words)
            .directory(Monitoring.FOLDER.toFile())
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
    assertThat(said).contains("SUCCESS");
  }
}

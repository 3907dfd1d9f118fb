package io.espalier.oip;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Triton's own clients drive the server unchanged. They are where {@code ESPALIER_TRITON_CLIENTS}
 * says, as {@code benchmarks/engine-vs-triton/install.sh} puts them; without them there is nothing
 * to run.
 */
class TritonClientsIT {
  private static final String FOLDER = "ESPALIER_TRITON_CLIENTS";

  @TempDir private Path models = Path.of("");
  private final Map<String, String> installed = new HashMap<>();

  @BeforeEach
  void find() throws IOException {
    String folder = System.getenv(FOLDER);
    assumeTrue(
        folder != null,
        FOLDER
            + ": not set (expected: the folder that benchmarks/engine-vs-triton/install.sh made)");
    for (String line : Files.readAllLines(Path.of(folder, "env.sh"))) {
      String[] parts = line.split("=", 2);
      if (parts.length == 2) {
        installed.put(parts[0], parts[1].replace("\"", ""));
      }
    }
  }

  @Test
  void pythonClient_everythingItOffers_isAnswered() throws Exception {
    Path script = Path.of(System.getProperty("espalier.root"), "inference-server/src/test/triton");
    try (ServedEngine served = CaseModels.serve(models)) {
      String output =
          run(
              Map.of(),
              installed("TRITON_PYTHON"),
              script.resolve("clients.py").toString(),
              served.target());

      assertThat(output.lines()).filteredOn(line -> line.endsWith(": as expected")).hasSize(5);
    }
  }

  @Test
  void perfAnalyzer_unaryAndStreaming_measuresEveryRequest() throws Exception {
    try (ServedEngine served = CaseModels.serve(models)) {
      for (List<String> mode : List.of(List.<String>of(), List.of("--streaming", "--async"))) {
        List<String> command =
            new ArrayList<>(
                List.of(
                    installed("PERF_ANALYZER"),
                    "-m",
                    "pair",
                    "-u",
                    served.target(),
                    "-i",
                    "grpc",
                    "--concurrency-range",
                    "4",
                    "--request-count",
                    "200"));
        command.addAll(mode);
        String output =
            run(
                Map.of("LD_LIBRARY_PATH", installed("PERF_ANALYZER_LIBRARIES")),
                command.toArray(String[]::new));

        assertThat(output).contains("Concurrency: 4, throughput: ");
        assertThat(output).doesNotContain("Failed");
      }
      assertThat(served.engine().statistics("pair").rows()).isGreaterThanOrEqualTo(400);
      assertThat(served.engine().statistics("pair").fail().count()).isZero();
    }
  }

  private String installed(String key) {
    return requireNonNull(installed.get(key), key);
  }

  private static String run(Map<String, String> variables, String... command)
      throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(variables);
    Process process = builder.start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as("%s", output).isZero();
    return output;
  }
}

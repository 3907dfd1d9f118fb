package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleRepository;
import io.espalier.cli.cluster.EngineSettings.Models;
import io.espalier.inference.ModelException;
import io.espalier.inference.ModelRunner;
import io.espalier.inference.triton.TritonContainer;
import io.espalier.inference.triton.TritonSettings;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.Secret;
import io.espalier.server.TestAuthority;
import io.espalier.server.TlsConfig;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A stage's models on a real Triton that speaks TLS and wants certificates of its clients. */
class SecureTritonIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final String MODEL = "shop-text-encode";

  @TempDir private Path folder;

  @Test
  void open_certificatesOnBothEnds_theModelIsReadyAndOthersAreNotLetIn() throws Exception {
    TestAuthority authority = new TestAuthority("authority");
    write("triton", authority);
    write("ranking", authority);
    TestAuthority another = new TestAuthority("another");
    write("stranger", another);
    Files.writeString(folder.resolve("authority.pem"), authority.pem());
    Files.writeString(folder.resolve("another.pem"), another.pem());
    try (Caller ranking = caller("ranking", "authority");
        Caller distrustful = caller("ranking", "another");
        Caller stranger = caller("stranger", "authority");
        // It has no model but what it is sent.
        TritonContainer triton =
            TritonContainer.start(
                folder,
                ranking.credentials(),
                "--grpc-use-ssl=true",
                "--grpc-use-ssl-mutual=true",
                "--grpc-server-cert=/models/triton.pem",
                "--grpc-server-key=/models/triton.key",
                "--grpc-root-cert=/models/authority.pem")) {
      try (ModelRunner runner = open(triton, Duration.ofMinutes(2), ranking)) {
        assertThat(runner.isReady(MODEL)).isTrue();
      }
      assertThatThrownBy(() -> open(triton, Duration.ofSeconds(5), distrustful))
          .isInstanceOf(ModelException.class)
          .hasMessageEndingWith(
              "the server's certificate is of an authority that is not trusted here");
      // It ends the connection without a word.
      assertThatThrownBy(() -> open(triton, Duration.ofSeconds(5), stranger))
          .isInstanceOf(ModelException.class)
          .hasMessageContaining("no server of models answers");
    }
  }

  private void write(String name, TestAuthority authority) {
    authority.issue(name).write(folder.resolve(name + ".pem"), folder.resolve(name + ".key"));
  }

  private Caller caller(String name, String trusted) {
    return Caller.open(
        new CallerConfig(
            new TlsConfig(
                folder.resolve(name + ".pem").toString(),
                folder.resolve(name + ".key").toString(),
                folder.resolve(trusted + ".pem").toString(),
                "1.3",
                Duration.ofSeconds(10)),
            Secret.none()));
  }

  private static ModelRunner open(TritonContainer triton, Duration patience, Caller caller) {
    return new EngineSettings(
            List.of(triton.target()),
            Models.SENT,
            TritonSettings.KEEP_ALIVE,
            patience,
            CallerConfig.plain())
        .open(
            BundleRepository.open(ROOT.resolve("model-repo")),
            Set.of(MODEL),
            caller,
            OpenTelemetry.noop().getMeter("test"));
  }
}

package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.faults.Certificates.Issued;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CertificatesTest {
  @TempDir private Path folder = Path.of("");

  @Test
  void give_aServerThatRuns_showsEachInTurn() throws Exception {
    Certificates certificates = new Certificates(folder);
    certificates.give("server-1", certificates.lasting());
    try (EspalierServer server =
        EspalierServer.builder("test", config(certificates)).build().start()) {
      assertThat(certificates.shownAt(server.port())).isEqualTo(certificates.lasting().serial());
      Instant before = Instant.now();
      Issued brief = certificates.issue(Duration.ofMinutes(3));
      assertThat(brief.end())
          .isBetween(before.plusSeconds(179), Instant.now().plus(Duration.ofMinutes(3)));
      certificates.give("server-1", brief);
      Instant end = Instant.now().plus(Duration.ofMinutes(1));
      while (!certificates.shownAt(server.port()).equals(brief.serial())) {
        assertThat(Instant.now()).isBefore(end);
        Thread.sleep(50);
      }
    }
  }

  /** A server's configuration, from what its command line would say. */
  private static ServerConfig config(Certificates certificates) {
    Map<String, String> keys = new HashMap<>();
    List<String> settings = certificates.settings("server", "server-1");
    for (String setting : settings) {
      if (!setting.equals("--set")) {
        int at = setting.indexOf('=');
        keys.put(setting.substring("server.".length(), at), setting.substring(at + 1));
      }
    }
    return ServerConfig.of(keys);
  }
}

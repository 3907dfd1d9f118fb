package io.espalier.stores.redis;

import static io.espalier.stores.users.UserStateStore.INTERACTIONS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.stores.users.UserStateException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A server that speaks TLS alone. */
class RedisTlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();

  @TempDir Path folder;

  @Test
  void open_tls_isSpokenToWhereItsCertificateIsTrusted() throws Exception {
    Path certificate = folder.resolve("certificate.pem");
    Path key = folder.resolve("key.pem");
    makeCertificate(certificate, key);
    try (RedisServer server =
        RedisServer.start(
            folder,
            "--port",
            "0",
            "--tls-port",
            "{port}",
            "--tls-cert-file",
            certificate.toString(),
            "--tls-key-file",
            key.toString(),
            "--tls-ca-cert-file",
            certificate.toString(),
            "--tls-auth-clients",
            "no")) {
      String address = "rediss://127.0.0.1:" + server.port();
      try (RedisUserStates store = open(address + "?ca=" + certificate)) {
        assertThat(store.recent("u", INTERACTIONS, 1, Duration.ofSeconds(60))).isEmpty();
      }
      try (RedisUserStates store = open(address)) {
        assertThatThrownBy(() -> store.recent("u", INTERACTIONS, 1, Duration.ofSeconds(60)))
            .isInstanceOf(UserStateException.class)
            .hasMessageContaining("no connection");
      }
    }
  }

  private static RedisUserStates open(String address) {
    return RedisUserStates.open(RedisAddress.parse(address), EmbeddedUserStates.inMemory(1), 1);
  }

  private void makeCertificate(Path certificate, Path key) throws Exception {
    Path store = folder.resolve("keys.p12");
    int code =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "redis",
                "-keyalg",
                "EC",
                "-dname",
                "CN=127.0.0.1",
                "-ext",
                "SAN=IP:127.0.0.1",
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass",
                new String(PASSWORD))
            .inheritIO()
            .start()
            .waitFor();
    assertThat(code).isZero();
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, PASSWORD);
    }
    writePem(certificate, "CERTIFICATE", keys.getCertificate("redis").getEncoded());
    writePem(key, "PRIVATE KEY", keys.getKey("redis", PASSWORD).getEncoded());
  }

  private static void writePem(Path file, String what, byte[] content) throws Exception {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    Files.writeString(
        file,
        "-----BEGIN %s-----\n%s\n-----END %s-----\n".formatted(what, text, what),
        StandardCharsets.US_ASCII);
  }
}

package io.espalier.cli;

import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.Secret;
import io.espalier.server.TlsConfig;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Who a client is to the servers that it calls. */
final class ClientOptions {
  @Option(
      names = "--ca",
      paramLabel = "FILE",
      defaultValue = "",
      description =
          "Call over TLS; the server's certificate comes from these authorities (PEM), or from"
              + " those of the system: system.")
  String ca = "";

  @Option(
      names = "--cert",
      paramLabel = "FILE",
      defaultValue = "",
      description = "This client's certificate (PEM), for servers that want one.")
  String certificate = "";

  @Option(
      names = "--key",
      paramLabel = "FILE",
      defaultValue = "",
      description = "Its private key (PEM, PKCS #8).")
  String key = "";

  @Option(
      names = "--token-file",
      paramLabel = "FILE",
      description =
          "A file with the token to send (default: the environment's ESPALIER_TOKEN, if set).")
  @Nullable Path tokenFile;

  Caller caller() {
    return caller(Secret.none());
  }

  /**
   * @param otherwise the token to send where none is given
   */
  Caller caller(Secret otherwise) {
    TlsConfig plain = TlsConfig.off();
    return Caller.open(
        new CallerConfig(
            new TlsConfig(certificate, key, ca, plain.minVersion(), plain.reload()),
            token(otherwise)));
  }

  private Secret token(Secret otherwise) {
    Path file = tokenFile;
    if (file != null) {
      return Secret.in(file);
    }
    String given = System.getenv("ESPALIER_TOKEN");
    return given == null || given.isEmpty() ? otherwise : Secret.of(given);
  }
}

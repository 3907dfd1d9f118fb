package io.espalier.loadtest.faults;

import io.espalier.server.CallerConfig;
import io.espalier.server.Secret;
import io.espalier.server.TlsConfig;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** An authority of a cluster's own, made by the JDK's keytool, and what it gives to whom. */
final class Certificates {
  private static final String AUTHORITY = "authority";
  private static final String PASSWORD = "not-secret";
  private static final Duration LASTING = Duration.ofDays(1);
  private static final Duration RELOAD = Duration.ofSeconds(1);
  private static final int HANDSHAKE_MILLIS = 5_000;

  private final Path folder;
  private final Issued lasting;
  private int issued;

  /** A certificate and its key, in PEM. */
  record Issued(String certificate, String key, BigInteger serial, Instant end) {}

  /** An authority whose files are in a folder. */
  Certificates(Path folder) throws IOException, InterruptedException {
    this.folder = folder;
    keytool(AUTHORITY, List.of("-validity", "2", "-ext", "bc:c=ca:true"));
    replace(file(AUTHORITY, "pem"), pem(certificate(AUTHORITY)));
    this.lasting = issue(LASTING);
  }

  /** One that outlasts the scenario. */
  Issued lasting() {
    return lasting;
  }

  /** A certificate for 127.0.0.1 that ends so long from now. */
  Issued issue(Duration left) throws IOException, InterruptedException {
    String alias = "issued-" + ++issued;
    keytool(
        alias,
        List.of(
            "-signer",
            AUTHORITY,
            "-ext",
            "san=ip:127.0.0.1",
            // keytool counts validity in days alone.
            "-startdate",
            "-1d+%dS".formatted(left.toSeconds()),
            "-validity",
            "1"));
    X509Certificate made = certificate(alias);
    return new Issued(
        pem(made), key(alias), made.getSerialNumber(), made.getNotAfter().toInstant());
  }

  /** Puts it where a member reads it. */
  void give(String member, Issued to) throws IOException {
    replace(file(member, "key"), to.key());
    replace(file(member, "pem"), to.certificate());
  }

  /** A member's configuration of one end. */
  List<String> settings(String end, String member) {
    return List.of(
        "--set", end + ".tls.certificate=\"" + file(member, "pem") + "\"",
        "--set", end + ".tls.key=\"" + file(member, "key") + "\"",
        "--set", end + ".tls.trust=\"" + file(AUTHORITY, "pem") + "\"",
        "--set", end + ".tls.reload=" + RELOAD.toSeconds() + "s");
  }

  /** Who a caller is that was given a certificate. */
  CallerConfig caller(String name) {
    return new CallerConfig(
        new TlsConfig(
            file(name, "pem").toString(),
            file(name, "key").toString(),
            file(AUTHORITY, "pem").toString(),
            "1.3",
            RELOAD),
        Secret.none());
  }

  /** The serial number of the certificate that a server shows to a new connection. */
  BigInteger shownAt(int port) throws IOException {
    try (Socket plain = new Socket(InetAddress.getLoopbackAddress(), port)) {
      plain.setSoTimeout(HANDSHAKE_MILLIS);
      try (SSLSocket socket =
          (SSLSocket)
              context()
                  .getSocketFactory()
                  .createSocket(plain, "127.0.0.1", port, /* autoClose= */ true)) {
        socket.startHandshake();
        return ((X509Certificate) socket.getSession().getPeerCertificates()[0]).getSerialNumber();
      }
    }
  }

  private SSLContext context() throws IOException {
    try {
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(store(), PASSWORD.toCharArray());
      KeyStore trusted = KeyStore.getInstance("PKCS12");
      trusted.load(null, null);
      trusted.setCertificateEntry(AUTHORITY, certificate(AUTHORITY));
      TrustManagerFactory trust =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(trusted);
      SSLContext context = SSLContext.getInstance("TLSv1.3");
      context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IOException("TLS: " + e.getMessage(), e);
    }
  }

  private X509Certificate certificate(String alias) throws IOException {
    try {
      return (X509Certificate) store().getCertificate(alias);
    } catch (GeneralSecurityException e) {
      throw new IOException(alias + ": " + e.getMessage(), e);
    }
  }

  private static String pem(X509Certificate certificate) throws IOException {
    try {
      return pem("CERTIFICATE", certificate.getEncoded());
    } catch (GeneralSecurityException e) {
      throw new IOException("certificate: " + e.getMessage(), e);
    }
  }

  private String key(String alias) throws IOException {
    try {
      return pem("PRIVATE KEY", store().getKey(alias, PASSWORD.toCharArray()).getEncoded());
    } catch (GeneralSecurityException e) {
      throw new IOException(alias + ": " + e.getMessage(), e);
    }
  }

  private Path file(String name, String kind) {
    return folder.resolve(name + "." + kind).toAbsolutePath();
  }

  private KeyStore store() throws IOException {
    try {
      return KeyStore.getInstance(file("store", "p12").toFile(), PASSWORD.toCharArray());
    } catch (GeneralSecurityException e) {
      throw new IOException("keys: " + e.getMessage(), e);
    }
  }

  /** Makes a pair of keys and their certificate. */
  private void keytool(String alias, List<String> options)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    // It counts days by the clocks of the machine's zone, which go forward and back.
    command.add("-J-Duser.timezone=UTC");
    command.addAll(
        List.of("-genkeypair", "-alias", alias, "-dname", "CN=" + alias, "-keyalg", "EC"));
    command.addAll(List.of("-groupname", "secp256r1", "-storetype", "PKCS12"));
    command.addAll(List.of("-keystore", file("store", "p12").toString(), "-storepass", PASSWORD));
    command.addAll(options);
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int code = process.waitFor();
    if (code != 0) {
      throw new IOException("keytool ended with %d: %s".formatted(code, printed));
    }
  }

  private static String pem(String label, byte[] der) {
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
        .formatted(label, Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der), label);
  }

  /** At once, so that nobody reads half of it. */
  private static void replace(Path file, String text) throws IOException {
    Path next = file.resolveSibling(file.getFileName() + ".new");
    Files.writeString(next, text);
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }
}

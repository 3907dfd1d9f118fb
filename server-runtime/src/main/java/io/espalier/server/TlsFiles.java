package io.espalier.server;

import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.netty.handler.ssl.ClientAuth;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContext;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import io.grpc.util.AdvancedTlsX509KeyManager;
import io.grpc.util.AdvancedTlsX509TrustManager;
import io.grpc.util.AdvancedTlsX509TrustManager.Verification;
import io.grpc.util.CertificateUtils;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableDoubleGauge;
import io.opentelemetry.api.metrics.ObservableDoubleMeasurement;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The certificates of one end of connections, read from PEM files and again as these change.
 *
 * <p>New connections use what was read last; those that are open stay as they are, until the
 * server's {@code max_connection_age} ends them. What cannot be used (a key of another certificate,
 * half a file, a certificate that has expired) is refused at the start, and later leaves in place
 * what was there before, with a warning.
 */
final class TlsFiles implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(TlsFiles.class);
  private static final AttributeKey<String> USE = AttributeKey.stringKey("use");
  private static final AttributeKey<String> PART = AttributeKey.stringKey("part");
  private static final AttributeKey<String> RESULT = AttributeKey.stringKey("result");
  private static final int MAX_FILE_BYTES = 1 << 20;
  private static final byte[] UNREAD = {};

  private final String use;
  private final TlsConfig config;
  private final AdvancedTlsX509KeyManager identity = new AdvancedTlsX509KeyManager();
  private final AdvancedTlsX509TrustManager trust;
  private final LongCounter reloads;
  private final ObservableDoubleGauge remaining;
  private final CountDownLatch closed = new CountDownLatch(1);
  private byte[] identityRead = UNREAD;
  private byte[] trustRead = UNREAD;
  private volatile @Nullable Instant identityEnds;
  private volatile @Nullable Instant trustEnds;

  private TlsFiles(String use, TlsConfig config, Verification verification, Meter meter)
      throws GeneralSecurityException {
    this.use = use;
    this.config = config;
    this.trust = AdvancedTlsX509TrustManager.newBuilder().setVerification(verification).build();
    this.reloads =
        meter
            .counterBuilder("espalier.tls.reloads")
            .setDescription("Times that changed certificates were read")
            .build();
    this.remaining =
        meter
            .gaugeBuilder("espalier.tls.certificate.remaining")
            .setUnit("s")
            .setDescription("Until the first of the certificates in use expires")
            .buildWithCallback(this::measure);
  }

  /** For a server, whose clients show certificates if there is a trust. */
  static TlsFiles ofServer(String use, TlsConfig config, Meter meter) {
    return open(use, config, Verification.CERTIFICATE_ONLY_VERIFICATION, meter);
  }

  /** For a client, which asks of a certificate that it names the server, too. */
  static TlsFiles ofClient(String use, TlsConfig config, Meter meter) {
    return open(use, config, Verification.CERTIFICATE_AND_HOST_NAME_VERIFICATION, meter);
  }

  private static TlsFiles open(
      String use, TlsConfig config, Verification verification, Meter meter) {
    TlsFiles files;
    try {
      files = new TlsFiles(use, config, verification, meter);
    } catch (GeneralSecurityException e) {
      throw new ConfigException("TLS: " + e.getMessage());
    }
    try {
      files.readIdentity();
      files.readTrust();
    } catch (IOException | GeneralSecurityException e) {
      files.close();
      throw new ConfigException(use + " tls: " + e.getMessage());
    }
    BackgroundThread.start("tls-" + use, files::watch);
    return files;
  }

  private void watch() {
    try {
      while (!closed.await(config.reload().toMillis(), TimeUnit.MILLISECONDS)) {
        reload();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Reads what has changed. */
  synchronized void reload() {
    reload("certificate", this::readIdentity);
    reload("trust", this::readTrust);
  }

  private interface Reading {
    /** Returns whether there was something new. */
    boolean read() throws IOException, GeneralSecurityException;
  }

  private void reload(String part, Reading reading) {
    try {
      if (reading.read()) {
        reloads.add(1, Attributes.of(USE, use, PART, part, RESULT, "ok"));
        log.info("{} tls: a new {} is in use", use, part);
      }
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      reloads.add(1, Attributes.of(USE, use, PART, part, RESULT, "failed"));
      log.warn("{} tls: {}; the {} read before goes on", use, e.getMessage(), part);
    }
  }

  private boolean readIdentity() throws IOException, GeneralSecurityException {
    if (!config.hasCertificate()) {
      return false;
    }
    byte[] certificateBytes = bytes(config.certificate());
    byte[] keyBytes = bytes(config.key());
    byte[] both = Arrays.copyOf(certificateBytes, certificateBytes.length + keyBytes.length);
    System.arraycopy(keyBytes, 0, both, certificateBytes.length, keyBytes.length);
    if (Arrays.equals(both, identityRead)) {
      return false;
    }
    X509Certificate[] chain = certificates(config.certificate(), certificateBytes);
    PrivateKey key = key(config.key(), keyBytes);
    if (!belongs(key, chain[0])) {
      throw new IOException(
          config.key() + ": another key (expected: that of " + config.certificate() + ")");
    }
    chain[0].checkValidity();
    identity.updateIdentityCredentials(chain, key);
    identityEnds = end(chain);
    identityRead = both;
    return true;
  }

  private boolean readTrust() throws IOException, GeneralSecurityException {
    if (!config.hasTrust()) {
      return false;
    }
    if (config.trust().equals(TlsConfig.SYSTEM)) {
      if (trustRead == UNREAD) {
        trust.useSystemDefaultTrustCerts();
        trustRead = new byte[1];
      }
      return false;
    }
    byte[] read = bytes(config.trust());
    if (Arrays.equals(read, trustRead)) {
      return false;
    }
    X509Certificate[] authorities = certificates(config.trust(), read);
    trust.updateTrustCredentials(authorities);
    trustEnds = end(authorities);
    trustRead = read;
    return true;
  }

  private static byte[] bytes(String file) throws IOException {
    Path path = Path.of(file);
    if (!Files.isReadable(path) || Files.size(path) > MAX_FILE_BYTES) {
      throw new IOException(file + " (expected: a PEM file of at most 1 MiB that can be read)");
    }
    return Files.readAllBytes(path);
  }

  private static X509Certificate[] certificates(String file, byte[] pem) throws IOException {
    try {
      X509Certificate[] read = CertificateUtils.getX509Certificates(new ByteArrayInputStream(pem));
      if (read.length > 0) {
        return read;
      }
    } catch (GeneralSecurityException e) {
      // Told below.
    }
    throw new IOException(file + ": no certificate (expected: certificates in PEM)");
  }

  private static PrivateKey key(String file, byte[] pem) throws IOException {
    try {
      return CertificateUtils.getPrivateKey(new ByteArrayInputStream(pem));
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      // Whatever was read is not told: it may be a part of a key.
      throw new IOException(file + ": no private key (expected: PKCS #8 in PEM)");
    }
  }

  private static boolean belongs(PrivateKey key, X509Certificate certificate)
      throws GeneralSecurityException {
    String algorithm =
        switch (key.getAlgorithm()) {
          case "RSA" -> "SHA256withRSA";
          case "EC" -> "SHA256withECDSA";
          default -> key.getAlgorithm();
        };
    if (!key.getAlgorithm().equals(certificate.getPublicKey().getAlgorithm())) {
      return false;
    }
    Signature signing = Signature.getInstance(algorithm);
    signing.initSign(key);
    signing.update(UNREAD);
    byte[] signature = signing.sign();
    Signature verifying = Signature.getInstance(algorithm);
    verifying.initVerify(certificate.getPublicKey());
    verifying.update(UNREAD);
    return verifying.verify(signature);
  }

  private static Instant end(X509Certificate[] certificates) {
    return Arrays.stream(certificates)
        .map(certificate -> certificate.getNotAfter().toInstant())
        .min(Instant::compareTo)
        .orElseThrow();
  }

  private void measure(ObservableDoubleMeasurement gauge) {
    record(gauge, "certificate", identityEnds);
    record(gauge, "trust", trustEnds);
  }

  private void record(ObservableDoubleMeasurement gauge, String part, @Nullable Instant end) {
    if (end != null) {
      gauge.record(
          (end.toEpochMilli() - System.currentTimeMillis()) / 1e3,
          Attributes.of(USE, use, PART, part));
    }
  }

  /** What a server's transport is built with. */
  SslContext server() {
    SslContextBuilder builder = SslContextBuilder.forServer(identity);
    if (config.hasTrust()) {
      builder.trustManager(new ClientTrust(trust)).clientAuth(ClientAuth.REQUIRE);
    }
    return context(builder);
  }

  /** What a client's transport is built with. */
  SslContext client() {
    SslContextBuilder builder = SslContextBuilder.forClient().trustManager(trust);
    if (config.hasCertificate()) {
      builder.keyManager(identity);
    }
    return context(builder);
  }

  private SslContext context(SslContextBuilder builder) {
    try {
      return GrpcSslContexts.configure(builder).protocols(config.versions()).build();
    } catch (SSLException e) {
      throw new ConfigException(use + " tls: " + Objects.requireNonNullElse(e.getMessage(), ""));
    }
  }

  @Override
  public void close() {
    closed.countDown();
    remaining.close();
  }
}

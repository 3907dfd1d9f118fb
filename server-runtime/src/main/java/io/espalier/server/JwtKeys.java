package io.espalier.server;

import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import io.grpc.util.CertificateUtils;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.text.ParseException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An issuer's public keys, fetched beside the calls and never within one: again after a while, and
 * soon when a token names a key that is not among them. While they cannot be fetched those that
 * were go on.
 */
final class JwtKeys implements JWKSource<SecurityContext>, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(JwtKeys.class);
  private static final Duration BETWEEN_FETCHES = Duration.ofSeconds(5);
  private static final Duration FETCH_LIMIT = Duration.ofSeconds(5);
  private static final int MAX_BYTES = 1 << 20;
  private static final int LEAST_RSA_BITS = 2048;

  private final JwtConfig config;
  private final Duration betweenFetches;
  private final Semaphore wanted = new Semaphore(0);
  private volatile JWKSet keys = new JWKSet();
  private volatile boolean had;
  private volatile boolean closed;

  private JwtKeys(JwtConfig config, Duration betweenFetches) {
    this.config = config;
    this.betweenFetches = betweenFetches;
  }

  /** Fetches them once, and goes on beside the calls. */
  static JwtKeys open(JwtConfig config) {
    return open(config, BETWEEN_FETCHES);
  }

  static JwtKeys open(JwtConfig config, Duration betweenFetches) {
    JwtKeys keys = new JwtKeys(config, betweenFetches);
    keys.fetch();
    BackgroundThread.start("jwt-keys", keys::follow);
    return keys;
  }

  /** Whether they were had at least once. */
  boolean had() {
    return had;
  }

  /** What changes when the keys do. */
  Object version() {
    return keys;
  }

  @Override
  public List<JWK> get(JWKSelector selector, SecurityContext context) {
    List<JWK> selected = selector.select(keys);
    if (selected.isEmpty() && wanted.availablePermits() == 0) {
      wanted.release();
    }
    return selected;
  }

  private void follow() {
    try {
      while (!closed) {
        Thread.sleep(betweenFetches);
        long patience = had ? config.refresh().toMillis() : betweenFetches.toMillis();
        boolean unused = wanted.tryAcquire(patience, TimeUnit.MILLISECONDS);
        wanted.drainPermits();
        if (!closed) {
          fetch();
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void fetch() {
    try {
      JWKSet fetched = JWKSet.parse(config.jwks().startsWith("https:") ? ask() : file());
      JWKSet usable = new JWKSet(fetched.getKeys().stream().filter(JwtKeys::isUsable).toList());
      if (usable.isEmpty()) {
        throw new IOException("no public key for signatures (expected: RSA of 2048 bits, or EC)");
      }
      if (!usable.toString().equals(keys.toString())) {
        keys = usable;
        log.info("{}: {} keys", config.jwks(), usable.size());
      }
      had = true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ParseException e) {
      log.warn("{}: no JWK set; the keys read before go on", config.jwks());
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      log.warn("{}: {}; the keys read before go on", config.jwks(), e.toString());
    }
  }

  private static boolean isUsable(JWK key) {
    return key instanceof ECKey || (key instanceof RSAKey rsa && rsa.size() >= LEAST_RSA_BITS);
  }

  private String file() throws IOException {
    Path file = Path.of(config.jwks());
    if (Files.size(file) > MAX_BYTES) {
      throw new IOException("more than " + MAX_BYTES + " bytes");
    }
    return Files.readString(file);
  }

  private String ask() throws IOException, InterruptedException, GeneralSecurityException {
    HttpClient.Builder builder =
        HttpClient.newBuilder()
            .connectTimeout(FETCH_LIMIT)
            .followRedirects(HttpClient.Redirect.NEVER);
    SSLContext trust = trust();
    if (trust != null) {
      builder.sslContext(trust);
    }
    try (HttpClient client = builder.build()) {
      HttpResponse<String> answer =
          client.send(
              HttpRequest.newBuilder(URI.create(config.jwks())).timeout(FETCH_LIMIT).build(),
              BodyHandlers.limiting(BodyHandlers.ofString(), MAX_BYTES));
      if (answer.statusCode() != 200) {
        throw new IOException("HTTP " + answer.statusCode() + " (expected: 200)");
      }
      return answer.body();
    }
  }

  private @Nullable SSLContext trust() throws IOException, GeneralSecurityException {
    if (config.trust().isEmpty()) {
      return null;
    }
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (var pem = Files.newInputStream(Path.of(config.trust()))) {
      int number = 0;
      for (X509Certificate authority : CertificateUtils.getX509Certificates(pem)) {
        store.setCertificateEntry(Integer.toString(number++), authority);
      }
    }
    TrustManagerFactory managers =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    managers.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, managers.getTrustManagers(), null);
    return context;
  }

  @Override
  public void close() {
    closed = true;
    wanted.release();
  }
}

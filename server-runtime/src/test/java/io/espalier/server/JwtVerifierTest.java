package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import io.grpc.Status;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.text.ParseException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JwtVerifierTest {
  private static final Instant NOW = Instant.parse("2026-06-01T12:00:00Z");
  private static final int MUTATIONS = 20_000;

  private static RSAKey rsa;
  private static ECKey ec;

  @TempDir private Path folder = Path.of("");
  private final List<AutoCloseable> open = new ArrayList<>();
  private final AtomicReference<Instant> now = new AtomicReference<>(NOW);

  @BeforeAll
  static void makeKeys() throws JOSEException {
    rsa = new RSAKeyGenerator(2048).keyID("rsa").generate();
    ec = new ECKeyGenerator(Curve.P_256).keyID("ec").generate();
  }

  @BeforeEach
  void publishKeys() {
    publish(rsa, ec);
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private void publish(JWK... keys) {
    TestAuthority.replace(
        folder.resolve("keys.json"), new JWKSet(List.of(keys)).toPublicJWKSet().toString());
  }

  private JwtConfig config(String jwks, String trust) {
    return new JwtConfig(
        jwks,
        "https://issuer",
        "espalier",
        List.of("RS256", "ES256"),
        Duration.ofSeconds(30),
        Duration.ofMillis(20),
        "scope",
        "tenant",
        trust);
  }

  private JwtVerifier verifier(JwtConfig config) {
    JwtVerifier verifier =
        new JwtVerifier(config, JwtKeys.open(config, Duration.ofMillis(20)), clock());
    open.add(verifier);
    return verifier;
  }

  private JwtVerifier verifier() {
    return verifier(config(folder.resolve("keys.json").toString(), ""));
  }

  private Clock clock() {
    return new Clock() {
      @Override
      public ZoneOffset getZone() {
        return ZoneOffset.UTC;
      }

      @Override
      public Clock withZone(java.time.ZoneId zone) {
        return this;
      }

      @Override
      public Instant instant() {
        return now.get();
      }
    };
  }

  private static JWTClaimsSet.Builder claims() {
    return new JWTClaimsSet.Builder()
        .subject("shop-frontend")
        .issuer("https://issuer")
        .audience("espalier")
        .expirationTime(Date.from(NOW.plusSeconds(600)))
        .claim("scope", "search events")
        .claim("tenant", "acme");
  }

  private static String signed(JWTClaimsSet claims, RSAKey key) {
    return signed(
        new JWSHeader.Builder(JWSAlgorithm.RS256).keyID(key.getKeyID()).build(), claims, key);
  }

  private static String signed(JWSHeader header, JWTClaimsSet claims, RSAKey key) {
    try {
      SignedJWT token = new SignedJWT(header, claims);
      token.sign(new RSASSASigner(key));
      return token.serialize();
    } catch (JOSEException e) {
      throw new AssertionError(e);
    }
  }

  private static String signed(UnaryOperator<JWTClaimsSet.Builder> change) {
    return signed(change.apply(claims()).build(), rsa);
  }

  private static String refusal(JwtVerifier verifier, String token) {
    RequestException refused =
        catchThrowableOfType(RequestException.class, () -> verifier.verify(token));
    assertThat(refused).as(token).isNotNull();
    assertThat(refused.code()).isEqualTo(Status.Code.UNAUTHENTICATED);
    assertThat(refused).hasMessageStartingWith("authorization: ");
    return String.valueOf(refused.getMessage());
  }

  /** Why it was refused; what would not have been is told, too. */
  private static String unproved(JwtVerifier verifier, String token) {
    String message = refusal(verifier, token);
    String expected =
        " (expected: a JSON web token of https://issuer for espalier, in its time, signed with one"
            + " of its keys by RS256 or ES256)";
    assertThat(message).endsWith(expected);
    return message.substring(0, message.length() - expected.length());
  }

  @Test
  void verify_soundToken_isWhoItSays() throws Exception {
    JwtVerifier verifier = verifier();
    Identity expected =
        new Identity("shop-frontend", Set.of(Scope.SEARCH, Scope.EVENTS), "acme", true);
    assertThat(verifier.verify(signed(c -> c))).isEqualTo(expected);
    SignedJWT elliptic =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.ES256)
                .keyID("ec")
                .type(new JOSEObjectType("at+jwt"))
                .build(),
            claims().build());
    elliptic.sign(new ECDSASigner(ec));
    assertThat(verifier.verify(elliptic.serialize())).isEqualTo(expected);
  }

  @Test
  void verify_scopesAsAList_andNoTenant_areRead() {
    JwtVerifier verifier = verifier();
    Identity identity =
        verifier.verify(
            signed(c -> c.claim("scope", List.of("admin", "other")).claim("tenant", null)));
    assertThat(identity.scopes()).containsExactly(Scope.ADMIN);
    assertThat(identity.tenant()).isEmpty();
    assertThat(verifier.verify(signed(c -> c.claim("scope", null))).scopes()).isEmpty();
    assertThat(verifier.verify(signed(c -> c.claim("scope", 7))).scopes()).isEmpty();
  }

  @Test
  void verify_claimsThatDoNotHold_areRefusedWithTheReason() {
    JwtVerifier verifier = verifier();
    assertThat(unproved(verifier, signed(c -> c.issuer("https://evil")))).contains("iss claim");
    assertThat(unproved(verifier, signed(c -> c.audience("another")))).contains("aud claim");
    assertThat(unproved(verifier, signed(c -> c.audience((String) null)))).contains("aud claim");
    assertThat(unproved(verifier, signed(c -> c.subject(null)))).contains("claims: [sub]");
    assertThat(refusal(verifier, signed(c -> c.subject("x".repeat(300))))).contains("300");
    assertThat(unproved(verifier, signed(c -> c.expirationTime(null)))).contains("claims: [exp]");
    assertThat(refusal(verifier, signed(c -> c.claim("tenant", 7)))).contains("tenant");
    assertThat(refusal(verifier, signed(c -> c.claim("tenant", "x".repeat(200)))))
        .contains("tenant");
    assertThat(unproved(verifier, signed(c -> c.notBeforeTime(Date.from(NOW.plusSeconds(31))))))
        .contains("before use time");
  }

  @Test
  void verify_timesWithinTheSkew_count_andNotBeyond() {
    JwtVerifier verifier = verifier();
    String token = signed(c -> c.notBeforeTime(Date.from(NOW.plusSeconds(29))));
    verifier.verify(token);
    now.set(NOW.plusSeconds(600 + 29));
    verifier.verify(token);
    now.set(NOW.plusSeconds(600 + 31));
    assertThat(unproved(verifier, token)).contains("Expired");
    assertThat(unproved(verifier, token)).contains("Expired");
  }

  @Test
  void verify_algorithmsThatDoNotCount_areRefused() throws Exception {
    JwtVerifier verifier = verifier();
    JWTClaimsSet claims = claims().build();
    unproved(verifier, new PlainJWT(claims).serialize());
    // The public key, which everybody has, as the secret of an HMAC.
    for (byte[] secret :
        List.of(
            rsa.toRSAPublicKey().getEncoded(),
            rsa.toPublicJWK().toJSONString().getBytes(StandardCharsets.UTF_8))) {
      SignedJWT confused =
          new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.HS256).keyID("rsa").build(), claims);
      confused.sign(new MACSigner(secret));
      unproved(verifier, confused.serialize());
    }
    unproved(
        verifier,
        signed(new JWSHeader.Builder(JWSAlgorithm.RS512).keyID("rsa").build(), claims, rsa));
    // A header that says RS256 over an empty signature, and one that says none over a real one.
    String sound = signed(c -> c);
    String[] parts = sound.split("\\.", -1);
    unproved(verifier, parts[0] + "." + parts[1] + ".");
    unproved(verifier, base64("{\"alg\":\"none\"}") + "." + parts[1] + "." + parts[2]);
    unproved(verifier, base64("{\"alg\":\"none\"}") + "." + parts[1] + ".");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("jwt.algorithms", "[HS256]")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("HS256");
  }

  private static String base64(String text) {
    return Base64.getUrlEncoder()
        .withoutPadding()
        .encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void verify_keysThatAreNotTheIssuers_areRefused() throws Exception {
    JwtVerifier verifier = verifier();
    RSAKey own = new RSAKeyGenerator(2048).keyID("rsa").generate();
    JWTClaimsSet claims = claims().build();
    unproved(verifier, signed(claims, own));
    // A key that the token brings along, or says where to fetch.
    unproved(
        verifier,
        signed(
            new JWSHeader.Builder(JWSAlgorithm.RS256).jwk(own.toPublicJWK()).build(), claims, own));
    unproved(
        verifier,
        signed(
            new JWSHeader.Builder(JWSAlgorithm.RS256)
                .jwkURL(java.net.URI.create("https://evil/keys"))
                .keyID("evil")
                .build(),
            claims,
            own));
    unproved(
        verifier,
        signed(
            new JWSHeader.Builder(JWSAlgorithm.RS256)
                .keyID("rsa")
                .type(new JOSEObjectType("other"))
                .build(),
            claims,
            rsa));
    unproved(
        verifier,
        signed(
            new JWSHeader.Builder(JWSAlgorithm.RS256)
                .keyID("rsa")
                .criticalParams(Set.of("exp"))
                .customParam("exp", 1)
                .build(),
            claims,
            rsa));
  }

  @Test
  void verify_mutatedTokens_neverProveAnythingElse() throws ParseException {
    long seed = ThreadLocalRandom.current().nextLong();
    System.out.println("JwtVerifierTest seed: " + seed);
    Random random = new Random(seed);
    JwtVerifier verifier = verifier();
    String sound = signed(c -> c);
    Identity expected = verifier.verify(sound);
    JWTClaimsSet claims = SignedJWT.parse(sound).getJWTClaimsSet();
    Map<Status.Code, Integer> outcomes = new EnumMap<>(Status.Code.class);
    for (int i = 0; i < MUTATIONS; i++) {
      String token = mutated(sound, random);
      Status.Code code = Status.Code.OK;
      try {
        assertThat(verifier.verify(token)).as("seed %d: %s", seed, token).isEqualTo(expected);
        // Bits of the last letter that mean nothing; or the token as it was.
        assertThat(SignedJWT.parse(token).getJWTClaimsSet()).isEqualTo(claims);
      } catch (RequestException e) {
        code = e.code();
      }
      outcomes.merge(code, 1, Integer::sum);
    }
    System.out.println("JwtVerifierTest: " + outcomes);
    assertThat(outcomes).containsKey(Status.Code.UNAUTHENTICATED);
    assertThat(outcomes.getOrDefault(Status.Code.OK, 0)).isLessThan(MUTATIONS / 20);
    assertThat(outcomes.keySet()).isSubsetOf(Status.Code.UNAUTHENTICATED, Status.Code.OK);
  }

  private static String mutated(String token, Random random) {
    StringBuilder text = new StringBuilder(token);
    for (int i = random.nextInt(3); i >= 0; i--) {
      int at = random.nextInt(text.length());
      switch (random.nextInt(5)) {
        case 0 -> text.setCharAt(at, (char) (' ' + random.nextInt(95)));
        case 1 -> text.deleteCharAt(at);
        case 2 -> text.insert(at, (char) (' ' + random.nextInt(95)));
        case 3 -> text.setLength(Math.max(1, at));
        default -> {
          // Whole JSON parts, changed where they mean something.
          String[] parts = text.toString().split("\\.", -1);
          int part = random.nextInt(Math.min(2, parts.length));
          try {
            byte[] json = Base64.getUrlDecoder().decode(parts[part]);
            if (json.length > 0) {
              json[random.nextInt(json.length)] = (byte) random.nextInt(256);
              parts[part] = Base64.getUrlEncoder().withoutPadding().encodeToString(json);
            }
          } catch (IllegalArgumentException e) {
            // Spoilt already.
          }
          text.setLength(0);
          text.append(String.join(".", parts));
        }
      }
      if (text.isEmpty()) {
        text.append('.');
      }
    }
    return text.toString();
  }

  @Test
  void verify_keysRotate_newOnesCountSoonAndOldOnesNoMore() throws Exception {
    JwtVerifier verifier = verifier();
    String before = signed(c -> c);
    verifier.verify(before);
    RSAKey next = new RSAKeyGenerator(2048).keyID("next").generate();
    publish(rsa, next);
    String after = signed(claims().build(), next);
    await().until(() -> isTaken(verifier, after));
    verifier.verify(before);
    publish(next);
    await().until(() -> !isTaken(verifier, before));
    verifier.verify(after);
    // What cannot be read leaves the keys as they are.
    Files.writeString(folder.resolve("keys.json"), "{\"keys\": [");
    refusal(verifier, before);
    verifier.verify(signed(claims().subject("another").build(), next));
  }

  private static boolean isTaken(JwtVerifier verifier, String token) {
    try {
      return verifier.verify(token).name().equals("shop-frontend");
    } catch (RequestException e) {
      return false;
    }
  }

  @Test
  void keys_smallOrSecret_areNotUsed() throws Exception {
    Files.writeString(
        folder.resolve("keys.json"),
        "{\"keys\": [{\"kty\": \"oct\", \"kid\": \"o\", \"k\": \"%s\"}]}"
            .formatted(base64("0123456789012345678901234567890123456789")));
    JwtVerifier verifier = verifier();
    RequestException refused =
        catchThrowableOfType(RequestException.class, () -> verifier.verify(signed(c -> c)));
    assertThat(refused.code()).isEqualTo(Status.Code.UNAVAILABLE);
    assertThat(verifier.isReady()).isFalse();
    publish(rsa);
    await().until(verifier::isReady);
    verifier.verify(signed(c -> c));
  }

  @Test
  void keys_overHttps_areFetchedFromATrustedServerAlone() throws Exception {
    TestAuthority authority = new TestAuthority("authority");
    Files.writeString(folder.resolve("ca.pem"), authority.pem());
    AtomicInteger fetches = new AtomicInteger();
    HttpsServer server = https(authority, fetches);
    open.add(() -> server.stop(0));
    String address = "https://127.0.0.1:" + server.getAddress().getPort() + "/keys";
    JwtVerifier verifier = verifier(config(address, folder.resolve("ca.pem").toString()));
    assertThat(verifier.verify(signed(c -> c)).name()).isEqualTo("shop-frontend");
    assertThat(fetches.get()).isPositive();
    assertThat(verifier(config(address, "")).isReady()).isFalse();
    Files.writeString(folder.resolve("other.pem"), new TestAuthority("another").pem());
    assertThat(verifier(config(address, folder.resolve("other.pem").toString())).isReady())
        .isFalse();
    assertThatThrownBy(() -> config("http://127.0.0.1/keys", ""))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("https");
  }

  private HttpsServer https(TestAuthority authority, AtomicInteger fetches) throws Exception {
    TestAuthority.Issued issued = authority.issue("localhost");
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setKeyEntry(
        "key",
        issued.key(),
        new char[0],
        new Certificate[] {issued.certificate(), authority.certificate()});
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, new char[0]);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), null, null);
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setHttpsConfigurator(new HttpsConfigurator(context));
    server.createContext(
        "/keys",
        exchange -> {
          fetches.incrementAndGet();
          byte[] body = Files.readAllBytes(folder.resolve("keys.json"));
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    server.start();
    return server;
  }

  @Test
  void keys_absentAtTheStart_serverIsNotReady() throws IOException {
    ServerConfig config =
        ServerConfig.of(
            Map.of(
                "jwt.jwks", folder.resolve("later.json").toString(),
                "jwt.issuer", "i",
                "jwt.audience", "a"));
    EspalierServer server =
        EspalierServer.builder("test", config)
            .buildInProcess(java.util.UUID.randomUUID().toString())
            .start();
    open.add(server);
    assertThat(server.unready()).containsExactly("the keys of web tokens");
  }
}

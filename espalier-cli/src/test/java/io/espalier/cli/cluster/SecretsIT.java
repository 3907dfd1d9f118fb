package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.sun.net.httpserver.HttpServer;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.ClientChannels;
import io.espalier.server.Secret;
import io.espalier.server.TestAuthority;
import io.espalier.server.TlsConfig;
import io.espalier.testing.ServedStage;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A server that is given every secret there is and driven into errors tells none of them: neither
 * in its configuration, its log at its most talkative, its errors, its spans nor its metrics.
 */
class SecretsIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));

  @TempDir private Path directory = Path.of("");
  private final List<AutoCloseable> open = new ArrayList<>();
  private final Queue<String> collected = new ConcurrentLinkedQueue<>();
  private final List<String> told = new ArrayList<>();
  private HttpServer collector;
  private ECKey key;

  @BeforeEach
  void collect() throws Exception {
    key = new ECKeyGenerator(Curve.P_256).keyID("k").generate();
    collector = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    collector.createContext(
        "/v1/",
        exchange -> {
          boolean zipped = "gzip".equals(exchange.getRequestHeaders().getFirst("Content-Encoding"));
          try (InputStream raw = exchange.getRequestBody();
              InputStream plain = zipped ? new GZIPInputStream(raw) : raw) {
            collected.add(new String(plain.readAllBytes(), StandardCharsets.ISO_8859_1));
          }
          exchange.sendResponseHeaders(200, -1);
          exchange.close();
        });
    collector.start();
    open.add(() -> collector.stop(0));
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private Path file(String name) {
    return directory.resolve(name);
  }

  private String token(String subject, long millis) throws Exception {
    SignedJWT token =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.ES256).keyID("k").build(),
            new JWTClaimsSet.Builder()
                .issuer("issuer")
                .audience("espalier")
                .subject(subject)
                .expirationTime(Date.from(Instant.now().plusMillis(millis)))
                .claim("scope", "search")
                .build());
    token.sign(new ECDSASigner(key));
    return token.serialize();
  }

  private Channel channel(String target, Caller caller, String authorization) {
    ManagedChannel channel = ClientChannels.open(target, caller);
    open.add(channel::shutdownNow);
    Metadata headers = new Metadata();
    headers.put(
        Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER),
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    if (!authorization.isEmpty()) {
      headers.put(
          Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), authorization);
    }
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  private Status.Code call(Channel channel, RewriteRequest request) {
    try {
      var unused =
          RewriteServiceGrpc.newBlockingStub(channel)
              .withDeadlineAfter(60, TimeUnit.SECONDS)
              .rewrite(request);
      return Status.Code.OK;
    } catch (StatusRuntimeException e) {
      told.add(e.getStatus() + " " + e.getTrailers());
      return e.getStatus().getCode();
    }
  }

  @Test
  void serve_everySecretGivenAndEveryErrorDriven_noneIsTold() throws Exception {
    TestAuthority authority = new TestAuthority("authority");
    authority.issue("server").write(file("server.pem"), file("server.key"));
    Files.writeString(file("ca.pem"), authority.pem());
    Files.writeString(file("keys.json"), new JWKSet(key).toPublicJWKSet().toString());
    Files.writeString(file("admin"), "secret-of-the-admins");
    String good = token("someone", 3_600_000);
    String old = token("someone-else", -3_600_000);
    List<String> secrets = new ArrayList<>();
    secrets.addAll(
        List.of(
            "secret-of-the-cluster",
            "secret-of-the-admins",
            "secret-of-the-calls",
            "secret-of-the-engines",
            "secret-of-redis",
            "secret-of-kafka",
            "secret-of-the-collector",
            "secretOfThePageTokensSecretOfThePageTokensXX",
            good.substring(good.lastIndexOf('.')),
            old.substring(old.lastIndexOf('.')),
            "a-wrong-secret"));
    Files.readString(file("server.key"))
        .lines()
        .filter(line -> !line.startsWith("--") && line.length() > 20)
        .forEach(secrets::add);
    String output;
    try (ServerProcess process =
        ServerProcess.start(
            ROOT,
            List.of(
                "serve",
                "rewrite",
                "--port",
                "0",
                "--data",
                BuiltInShop.folder(ROOT).toString(),
                "--set",
                "server.auth_token=secret-of-the-cluster",
                "--set",
                "server.admin.auth_token={file: \"" + file("admin") + "\"}",
                "--set",
                "server.tls.certificate=\"" + file("server.pem") + "\"",
                "--set",
                "server.tls.key=\"" + file("server.key") + "\"",
                "--set",
                "server.tls.reload=50ms",
                "--set",
                "server.jwt.jwks=\"" + file("keys.json") + "\"",
                "--set",
                "server.jwt.issuer=issuer",
                "--set",
                "server.jwt.audience=espalier",
                "--set",
                "server.jwt.refresh=50ms",
                "--set",
                "calls.token=secret-of-the-calls",
                "--set",
                "engine.calls.token=secret-of-the-engines",
                "--set",
                "router.page_token_key=secretOfThePageTokensSecretOfThePageTokensXX",
                "--set",
                "state=\"redis://me:secret-of-redis@127.0.0.1:1/0\"",
                "--set",
                "catalog_log=\"kafka://me:secret-of-kafka@127.0.0.1:1/catalogue\"",
                "--set",
                "telemetry.metrics.port=0",
                "--set",
                "telemetry.otlp.endpoint=\"http://me:secret-of-the-collector@127.0.0.1:"
                    + collector.getAddress().getPort()
                    + "\"",
                "--set",
                "telemetry.otlp.interval=200ms",
                "--set",
                "telemetry.logs.format=json",
                "--set",
                "telemetry.logs.level=trace"))) {
      String target = process.target();
      TlsConfig plain = TlsConfig.off();
      Caller caller =
          Caller.open(
              new CallerConfig(
                  new TlsConfig(
                      "", "", file("ca.pem").toString(), plain.minVersion(), plain.reload()),
                  Secret.none()));
      open.add(caller);
      RewriteRequest bad = RewriteRequest.newBuilder().setBundle("secretless").build();
      assertThat(call(channel(target, caller, "Bearer secret-of-the-cluster"), bad))
          .isNotEqualTo(Status.Code.UNAUTHENTICATED);
      assertThat(call(channel(target, caller, ""), bad)).isEqualTo(Status.Code.UNAUTHENTICATED);
      for (String wrong :
          List.of(
              "Bearer a-wrong-secret",
              "a-wrong-secret",
              "Bearer secret-of-the-cluster-and-more",
              "Bearer " + old,
              "Bearer " + good + "x",
              "Bearer x" + good)) {
        assertThat(call(channel(target, caller, wrong), bad))
            .isEqualTo(Status.Code.UNAUTHENTICATED);
      }
      assertThat(call(channel(target, caller, "Bearer " + good), bad))
          .isEqualTo(Status.Code.PERMISSION_DENIED);
      Channel known = channel(target, caller, "Bearer secret-of-the-cluster");
      StatusRuntimeException malformed =
          catchThrowableOfType(
              StatusRuntimeException.class,
              () ->
                  ClientCalls.blockingUnaryCall(
                      known,
                      ServedStage.raw(RewriteServiceGrpc.getRewriteMethod()),
                      CallOptions.DEFAULT,
                      new byte[] {10}));
      told.add(String.valueOf(malformed));
      assertThat(call(channel(target, caller, "Bearer " + good.repeat(200)), bad))
          .isNotEqualTo(Status.Code.OK);
      // Files spoilt while it runs.
      Files.writeString(
          file("server.key"), Files.readString(file("server.key")).replace("END", "END OF"));
      Files.writeString(file("keys.json"), "{\"keys\": [{\"k\": \"a-wrong-secret\"");
      await().until(() -> process.output().contains("goes on"));
      await().until(() -> process.output().contains("no JWK set"));
      told.add(metrics(process));
      await().until(() -> !collected.isEmpty());
      output = process.output();
    }
    assertThat(output).contains("listens at").contains("(set)").contains("\"level\":");
    assertThat(told.stream().filter(line -> line.contains("espalier_server_errors"))).isNotEmpty();
    String all = output + String.join("\n", told) + String.join("\n", collected);
    assertThat(collected.stream().anyMatch(text -> text.contains("RewriteService/Rewrite")))
        .as("spans or metrics of the calls arrived")
        .isTrue();
    for (String secret : secrets) {
      assertThat(all.contains(secret)).as(secret + " is told:\n" + around(all, secret)).isFalse();
    }
  }

  private static String around(String text, String secret) {
    int at = text.indexOf(secret);
    return at < 0 ? "" : text.substring(Math.max(0, at - 300), Math.min(text.length(), at + 100));
  }

  private static String metrics(ServerProcess process) throws Exception {
    Matcher address = Pattern.compile("metrics at (http\\S+)").matcher(process.output());
    assertThat(address.find()).isTrue();
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client
          .send(
              HttpRequest.newBuilder(URI.create(address.group(1))).build(), BodyHandlers.ofString())
          .body();
    }
  }

  @Test
  void serve_configurationThatCannotBe_isRefusedWithoutItsSecrets() throws Exception {
    for (String setting :
        List.of(
            "server.auth_token=`hidden-text",
            "server.auth_token=[hidden-text]",
            "server.auth_token={text: hidden-text}",
            "server.admin.auth_token=\"hidden-text",
            "calls.token=hidden-text: x",
            "telemetry.otlp.endpoint=\"ftp://me:hidden-text@host\"")) {
      Process process =
          new ProcessBuilder(
                  java.util.stream.Stream.concat(
                          ServerProcess.command(ROOT).stream(),
                          List.of("serve", "inference", "--port", "0", "--set", setting).stream())
                      .toList())
              .redirectErrorStream(true)
              .start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertThat(process.waitFor()).as(output).isEqualTo(2);
      assertThat(output).contains("espalier serve: ").doesNotContain("hidden-text");
    }
  }
}

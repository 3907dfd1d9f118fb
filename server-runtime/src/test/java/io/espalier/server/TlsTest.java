package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.server.TestAuthority.Issued;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Grpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TlsTest {
  @TempDir private Path folder = Path.of("");
  private final List<AutoCloseable> open = new ArrayList<>();
  private final TestAuthority authority = new TestAuthority("authority");

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private static final class Echo extends RewriteServiceGrpc.RewriteServiceImplBase {
    @Override
    public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
      observer.onNext(RewriteResponse.newBuilder().setNormalisedQuery(request.getQuery()).build());
      observer.onCompleted();
    }
  }

  private Path file(String name) {
    return folder.resolve(name);
  }

  private void write(String name, Issued issued) {
    issued.write(file(name + ".pem"), file(name + ".key"));
  }

  private void trust(String name, TestAuthority... authorities) {
    StringBuilder pem = new StringBuilder();
    for (TestAuthority one : authorities) {
      pem.append(one.pem());
    }
    TestAuthority.replace(file(name), pem.toString());
  }

  /**
   * A server with the certificate {@code server}, and clients' from {@code clients.ca} if asked.
   */
  private ServerConfig config(boolean mutual) {
    Map<String, String> keys = new ConcurrentHashMap<>();
    keys.put("tls.certificate", file("server.pem").toString());
    keys.put("tls.key", file("server.key").toString());
    if (mutual) {
      keys.put("tls.trust", file("clients.ca").toString());
    }
    return ServerConfig.of(keys);
  }

  private EspalierServer serve(ServerConfig config) throws IOException {
    EspalierServer server =
        EspalierServer.builder("test", config).service(new Echo()).build().start();
    open.add(server);
    return server;
  }

  private Caller caller(String identity, String trusted) {
    TlsConfig plain = TlsConfig.off();
    Caller caller =
        Caller.open(
            new CallerConfig(
                new TlsConfig(
                    identity.isEmpty() ? "" : file(identity + ".pem").toString(),
                    identity.isEmpty() ? "" : file(identity + ".key").toString(),
                    trusted.isEmpty() ? "" : file(trusted).toString(),
                    "1.3",
                    plain.reload()),
                Secret.none()));
    open.add(caller);
    return caller;
  }

  private ManagedChannel channel(String target, Caller caller) {
    ManagedChannel channel = ClientChannels.open(target, caller);
    open.add(channel::shutdownNow);
    return channel;
  }

  private static String call(ManagedChannel channel) {
    return RewriteServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(20, TimeUnit.SECONDS)
        .rewrite(RewriteRequest.newBuilder().setQuery("q").build())
        .getNormalisedQuery();
  }

  /**
   * Calls over new connections until one is refused for the reason: a refusal of TLS 1.3 may be
   * overtaken by the end of its connection.
   */
  private static void refused(String target, Caller caller, String reason) {
    await()
        .atMost(Duration.ofMinutes(1))
        .untilAsserted(
            () -> {
              ManagedChannel channel = ClientChannels.open(target, caller);
              try {
                StatusRuntimeException failure =
                    catchThrowableOfType(StatusRuntimeException.class, () -> call(channel));
                assertThat(failure).isNotNull();
                assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
                assertThat(Caller.tlsFailure(failure).orElse(failure.getStatus().toString()))
                    .isEqualTo(reason);
              } finally {
                channel.shutdownNow();
              }
            });
  }

  @Test
  void call_serversCertificateTrusted_isAnswered() throws IOException {
    write("server", authority.issue("server"));
    trust("servers.ca", authority);
    assertThat(call(channel(serve(config(false)).target(), caller("", "servers.ca"))))
        .isEqualTo("q");
  }

  @Test
  void call_replicaByItsAddress_bearsTheNameOfTheService() throws IOException {
    write("server", authority.issue("ranking"));
    trust("servers.ca", authority);
    String address = serve(config(false)).target();
    Caller caller = caller("", "servers.ca");
    assertThat(call(replica(address, "ranking:7702", caller))).isEqualTo("q");
    ManagedChannel other = replica(address, "retrieval:7701", caller);
    StatusRuntimeException failure =
        catchThrowableOfType(StatusRuntimeException.class, () -> call(other));
    assertThat(Caller.tlsFailure(failure)).contains("the server's certificate is for another name");
  }

  private ManagedChannel replica(String address, String name, Caller caller) {
    ManagedChannel channel =
        ClientChannels.openReplica(
            new ReplicaAddress(address, name), caller, 1 << 20, OpenTelemetry.noop());
    open.add(channel::shutdownNow);
    return channel;
  }

  @Test
  void call_server_isRefusedWithItsReason() throws IOException {
    write("server", authority.issue("server"));
    trust("servers.ca", authority);
    trust("others.ca", new TestAuthority("another"));
    EspalierServer server = serve(config(false));
    refused(
        server.target(),
        caller("", "others.ca"),
        "the server's certificate is of an authority that is not trusted here");
    refused(
        "localhost:" + server.port(),
        caller("", "servers.ca"),
        "the server's certificate is for another name");
    EspalierServer plaintext = serve(ServerConfig.defaults());
    refused(plaintext.target(), caller("", "servers.ca"), "the server speaks plaintext, not TLS");
    ManagedChannel plain = channel(server.target(), Caller.plain());
    assertThatThrownBy(() -> call(plain)).isInstanceOf(StatusRuntimeException.class);
  }

  @Test
  void call_client_isRefusedWithItsReason() throws IOException {
    write("server", authority.issue("server"));
    trust("servers.ca", authority);
    trust("clients.ca", authority);
    write("client", authority.issue("client"));
    write("stranger", new TestAuthority("another").issue("client"));
    EspalierServer server = serve(config(true));
    assertThat(call(channel(server.target(), caller("client", "servers.ca")))).isEqualTo("q");
    refused(
        server.target(), caller("", "servers.ca"), "the server wants a certificate of its clients");
    refused(
        server.target(),
        caller("stranger", "servers.ca"),
        "the server does not trust this client's certificate");
    // It was good when the client started.
    write("short", authority.issue("client", Instant.now().plusSeconds(5)));
    refused(
        server.target(),
        caller("short", "servers.ca"),
        "the server refuses this client's certificate: it has expired");
  }

  @Test
  void call_serversCertificateExpires_newConnectionsSaySo() throws Exception {
    write("server", authority.issue("server", Instant.now().plusSeconds(5)));
    trust("servers.ca", authority);
    EspalierServer server = serve(config(false));
    refused(server.target(), caller("", "servers.ca"), "the server's certificate has expired");
  }

  @Test
  void call_namesOfClientsGiven_othersMayNot() throws IOException {
    write("server", authority.issue("server"));
    trust("servers.ca", authority);
    trust("clients.ca", authority);
    write("router", authority.issue("router"));
    write("other", authority.issue("other"));
    ServerConfig config =
        ServerConfig.of(
            Map.of(
                "tls.certificate", file("server.pem").toString(),
                "tls.key", file("server.key").toString(),
                "tls.trust", file("clients.ca").toString(),
                "client_names", "[router]"));
    EspalierServer server = serve(config);
    assertThat(call(channel(server.target(), caller("router", "servers.ca")))).isEqualTo("q");
    ManagedChannel other = channel(server.target(), caller("other", "servers.ca"));
    StatusRuntimeException failure =
        catchThrowableOfType(StatusRuntimeException.class, () -> call(other));
    assertThat(failure.getStatus().getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(failure.getStatus().getDescription()).contains("other").contains("client_names");
  }

  @Test
  void start_unusableFiles_isRefusedByName() throws IOException {
    write("server", authority.issue("server"));
    trust("clients.ca", authority);
    assertThatThrownBy(() -> serve(with("server.pem", "absent.key")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("absent.key");
    write("another", authority.issue("server"));
    assertThatThrownBy(() -> serve(with("server.pem", "another.key")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("another key (expected: that of ");
    write("expired", authority.issue("server", Instant.now().minusSeconds(60)));
    assertThatThrownBy(() -> serve(with("expired.pem", "expired.key")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("NotAfter");
    Files.writeString(file("half.key"), Files.readString(file("server.key")).substring(0, 70));
    assertThatThrownBy(() -> serve(with("server.pem", "half.key")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("half.key: no private key");
    assertThatThrownBy(() -> serve(with("server.key", "server.key")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("server.key: no certificate");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("tls.certificate", "a.pem")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("expected: both or neither");
    assertThatThrownBy(() -> ServerConfig.of(Map.of("tls.min_version", "1.1")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("expected: 1.2 or 1.3");
  }

  private ServerConfig with(String certificate, String key) {
    return ServerConfig.of(
        Map.of("tls.certificate", file(certificate).toString(), "tls.key", file(key).toString()));
  }

  @Test
  void reload_unusableFiles_whatWasThereGoesOn() throws IOException {
    write("server", authority.issue("server"));
    trust("servers.ca", authority);
    trust("clients.ca", authority);
    write("client", authority.issue("client"));
    EspalierServer server = serve(config(true));
    Caller caller = caller("client", "servers.ca");
    Issued other = new TestAuthority("another").issue("server");
    other.write(file("other.pem"), file("server.key")); // The key comes before its certificate.
    Files.writeString(file("clients.ca"), "-----BEGIN CERTIFICATE-----\nAAAA\n");
    server.reloadCertificates();
    assertThat(call(channel(server.target(), caller))).isEqualTo("q");
    Files.delete(file("server.pem"));
    Files.delete(file("clients.ca"));
    server.reloadCertificates();
    assertThat(call(channel(server.target(), caller))).isEqualTo("q");
    write("server", authority.issue("server", Instant.now().minusSeconds(60)));
    server.reloadCertificates();
    assertThat(call(channel(server.target(), caller))).isEqualTo("q");
  }

  @Test
  void watch_filesChange_newConnectionsShowThemAndTheMetricFollows() throws Exception {
    write("server", authority.issue("server", Instant.now().plus(Duration.ofHours(2))));
    trust("servers.ca", authority);
    Telemetry telemetry =
        Telemetry.start(
            "test",
            new TelemetryConfig(
                new TelemetryConfig.Metrics("127.0.0.1", 0),
                TelemetryConfig.defaults().otlp(),
                TelemetryConfig.defaults().logs()));
    open.add(telemetry);
    ServerConfig config =
        ServerConfig.of(
            Map.of(
                "tls.certificate", file("server.pem").toString(),
                "tls.key", file("server.key").toString(),
                "tls.reload", "20ms"));
    EspalierServer server =
        EspalierServer.builder("test", config)
            .openTelemetry(telemetry.openTelemetry())
            .service(new Echo())
            .build()
            .start();
    open.add(server);
    assertThat(remaining(telemetry)).isBetween(7_000.0, 7_200.0);
    Issued next = authority.issue("server", Instant.now().plus(Duration.ofHours(9)));
    write("server", next);
    await()
        .until(
            () ->
                serial(server, caller("", "servers.ca"))
                    == next.certificate().getSerialNumber().longValue());
    assertThat(remaining(telemetry)).isBetween(32_000.0, 32_400.0);
  }

  private static double remaining(Telemetry telemetry) throws Exception {
    URI address = URI.create("http://127.0.0.1:" + telemetry.metricsPort() + "/metrics");
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client
          .send(HttpRequest.newBuilder(address).build(), BodyHandlers.ofString())
          .body()
          .lines()
          .filter(
              line ->
                  line.startsWith(
                      "espalier_tls_certificate_remaining_seconds{part=\"certificate\","
                          + "use=\"server\"}"))
          .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
          .findFirst()
          .orElseThrow();
    }
  }

  /** The serial number of the certificate that a new connection is shown. */
  private long serial(EspalierServer server, Caller caller) throws Exception {
    ManagedChannel channel = ClientChannels.open(server.target(), caller);
    try {
      CompletableFuture<Certificate> shown = new CompletableFuture<>();
      ClientCall<RewriteRequest, RewriteResponse> call =
          channel.newCall(RewriteServiceGrpc.getRewriteMethod(), CallOptions.DEFAULT);
      call.start(
          new ClientCall.Listener<>() {
            @Override
            public void onClose(Status status, @Nullable Metadata trailers) {
              try {
                shown.complete(
                    Objects.requireNonNull(
                            call.getAttributes().get(Grpc.TRANSPORT_ATTR_SSL_SESSION), "TLS")
                        .getPeerCertificates()[0]);
              } catch (Exception e) {
                shown.completeExceptionally(e);
              }
            }
          },
          new Metadata());
      call.sendMessage(RewriteRequest.getDefaultInstance());
      call.halfClose();
      call.request(2);
      return ((X509Certificate) shown.get(20, TimeUnit.SECONDS)).getSerialNumber().longValue();
    } finally {
      channel.shutdownNow();
    }
  }

  /**
   * Both ends change their certificates and then the authority behind them, as operators do it: the
   * new authority is trusted before anything of it is shown, the old one no more after.
   */
  @Test
  void rotation_underLoad_noCallFails() throws Exception {
    TestAuthority next = new TestAuthority("next authority");
    write("server", authority.issue("server"));
    write("client", authority.issue("client"));
    write("old", authority.issue("client"));
    trust("servers.ca", authority);
    trust("clients.ca", authority);
    ServerConfig config =
        ServerConfig.of(
            Map.of(
                "tls.certificate",
                file("server.pem").toString(),
                "tls.key",
                file("server.key").toString(),
                "tls.trust",
                file("clients.ca").toString(),
                "tls.reload",
                "1h",
                // Connections are made anew all the time.
                "max_connection_age",
                "50ms",
                "max_connection_age_grace",
                "20s"));
    EspalierServer server = serve(config);
    Caller caller = caller("client", "servers.ca");
    AtomicBoolean stop = new AtomicBoolean();
    AtomicInteger answered = new AtomicInteger();
    Queue<Throwable> failures = new ConcurrentLinkedQueue<>();
    List<Thread> load = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      ManagedChannel channel = channel(server.target(), caller);
      load.add(
          Thread.ofVirtual()
              .start(
                  () -> {
                    while (!stop.get()) {
                      try {
                        call(channel);
                        answered.incrementAndGet();
                      } catch (RuntimeException e) {
                        failures.add(e);
                      }
                    }
                  }));
    }
    Set<Long> serials = ConcurrentHashMap.newKeySet();
    List<Runnable> steps = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      steps.add(() -> write("server", authority.issue("server")));
      steps.add(() -> write("client", authority.issue("client")));
    }
    steps.add(() -> trust("servers.ca", authority, next));
    steps.add(() -> trust("clients.ca", authority, next));
    steps.add(() -> write("server", next.issue("server")));
    steps.add(() -> write("client", next.issue("client")));
    steps.add(() -> trust("servers.ca", next));
    steps.add(() -> trust("clients.ca", next));
    for (Runnable step : steps) {
      step.run();
      server.reloadCertificates();
      caller.reloadCertificates();
      int before = answered.get();
      await()
          .atMost(Duration.ofMinutes(1))
          .until(() -> answered.get() > before + 50 || !failures.isEmpty());
      serials.add(serial(server, caller));
    }
    stop.set(true);
    for (Thread thread : load) {
      thread.join();
    }
    System.out.println("TlsTest: " + answered + " calls during " + steps.size() + " changes");
    assertThat(failures).isEmpty();
    assertThat(serials).hasSize(6);
    trust("all.ca", authority, next);
    refused(
        server.target(),
        caller("old", "all.ca"),
        "the server does not trust this client's certificate");
  }
}

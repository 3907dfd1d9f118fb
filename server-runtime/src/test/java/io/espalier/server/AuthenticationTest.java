package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.PublishSnapshotRequest;
import io.espalier.catalog.v1.PublishSnapshotResponse;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.EraseUserResponse;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.RecordEventsResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AuthenticationTest {
  @TempDir private Path folder = Path.of("");
  private final List<AutoCloseable> open = new ArrayList<>();
  private final AtomicReference<String> tenant = new AtomicReference<>("none yet");

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private final class Router extends RouterServiceGrpc.RouterServiceImplBase {
    @Override
    public void search(SearchRequest request, StreamObserver<SearchResponse> observer) {
      tenant.set(Tenant.KEY.get() == null ? "not set" : Tenant.current());
      observer.onNext(SearchResponse.getDefaultInstance());
      observer.onCompleted();
    }

    @Override
    public void recordEvents(
        RecordEventsRequest request, StreamObserver<RecordEventsResponse> observer) {
      observer.onNext(RecordEventsResponse.getDefaultInstance());
      observer.onCompleted();
    }

    @Override
    public void eraseUser(EraseUserRequest request, StreamObserver<EraseUserResponse> observer) {
      observer.onNext(EraseUserResponse.getDefaultInstance());
      observer.onCompleted();
    }
  }

  private static final class Catalogue extends CatalogServiceGrpc.CatalogServiceImplBase {
    @Override
    public void publishSnapshot(
        PublishSnapshotRequest request, StreamObserver<PublishSnapshotResponse> observer) {
      observer.onNext(PublishSnapshotResponse.getDefaultInstance());
      observer.onCompleted();
    }
  }

  private EspalierServer serve(Map<String, String> keys) throws IOException {
    EspalierServer server =
        EspalierServer.builder("test", ServerConfig.of(keys))
            .service(new Router())
            .adminService(new Catalogue())
            .build()
            .start();
    open.add(server);
    return server;
  }

  private ManagedChannel channel(String target, String token) {
    ManagedChannel channel =
        ClientChannels.open(
            target, token.isEmpty() ? Caller.plain() : Caller.with(Secret.of(token)));
    open.add(channel::shutdownNow);
    return channel;
  }

  private static Status.Code search(Channel channel) {
    return code(
        () ->
            RouterServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(20, TimeUnit.SECONDS)
                .search(SearchRequest.getDefaultInstance()));
  }

  private static Status.Code record(Channel channel) {
    return code(
        () ->
            RouterServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(20, TimeUnit.SECONDS)
                .recordEvents(RecordEventsRequest.getDefaultInstance()));
  }

  private static Status.Code erase(Channel channel) {
    return code(
        () ->
            RouterServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(20, TimeUnit.SECONDS)
                .eraseUser(EraseUserRequest.getDefaultInstance()));
  }

  private static Status.Code publish(Channel channel) {
    return code(
        () ->
            CatalogServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(20, TimeUnit.SECONDS)
                .publishSnapshot(PublishSnapshotRequest.getDefaultInstance()));
  }

  private static Status.Code code(Runnable call) {
    try {
      call.run();
      return Status.Code.OK;
    } catch (StatusRuntimeException e) {
      return e.getStatus().getCode();
    }
  }

  private static ServingStatus health(Channel channel) {
    return HealthGrpc.newBlockingStub(channel)
        .withDeadlineAfter(20, TimeUnit.SECONDS)
        .check(HealthCheckRequest.getDefaultInstance())
        .getStatus();
  }

  private static Status.Code reflect(Channel channel) throws Exception {
    CompletableFuture<Status.Code> ended = new CompletableFuture<>();
    StreamObserver<ServerReflectionRequest> requests =
        ServerReflectionGrpc.newStub(channel)
            .serverReflectionInfo(
                new StreamObserver<>() {
                  @Override
                  public void onNext(ServerReflectionResponse answer) {}

                  @Override
                  public void onError(Throwable t) {
                    ended.complete(Status.fromThrowable(t).getCode());
                  }

                  @Override
                  public void onCompleted() {
                    ended.complete(Status.Code.OK);
                  }
                });
    requests.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
    requests.onCompleted();
    return ended.get(20, TimeUnit.SECONDS);
  }

  @Test
  void call_loopbackWithoutCredentials_everythingIsOpen() throws Exception {
    ManagedChannel channel = channel(serve(Map.of()).target(), "");
    assertThat(List.of(search(channel), record(channel), erase(channel), publish(channel)))
        .containsOnly(Status.Code.OK);
    assertThat(reflect(channel)).isEqualTo(Status.Code.OK);
    assertThat(tenant.get()).isEqualTo("not set");
  }

  /** As on an address that others reach, without listening on one. */
  @Test
  void call_reachableWithoutCredentials_guardedMethodsAreClosed() throws IOException {
    for (boolean trusted : new boolean[] {false, true}) {
      String name = UUID.randomUUID().toString();
      Server server =
          InProcessServerBuilder.forName(name)
              .addService(
                  ServerInterceptors.intercept(
                      new Router(),
                      new Authentication(ServerConfig.defaults(), null, Listens.ALONE, trusted),
                      new ExceptionMapper(Map.of(), OpenTelemetry.noop().getMeter("test"))))
              .build()
              .start();
      open.add(server::shutdownNow);
      ManagedChannel channel = channel("in-process:" + name, "");
      assertThat(search(channel)).isEqualTo(Status.Code.OK);
      assertThat(erase(channel))
          .isEqualTo(trusted ? Status.Code.OK : Status.Code.PERMISSION_DENIED);
    }
    assertThat(EspalierServer.isLoopback("127.0.0.1")).isTrue();
    assertThat(EspalierServer.isLoopback("localhost")).isTrue();
    assertThat(EspalierServer.isLoopback("::1")).isTrue();
    assertThat(EspalierServer.isLoopback("0.0.0.0")).isFalse();
    assertThat(EspalierServer.isLoopback("::")).isFalse();
    assertThat(EspalierServer.isLoopback("10.0.0.7")).isFalse();
  }

  @Test
  void call_sharedTokens_openWhatTheyAreFor() throws Exception {
    EspalierServer one = serve(Map.of("auth_token", "shared"));
    assertThat(search(channel(one.target(), ""))).isEqualTo(Status.Code.UNAUTHENTICATED);
    assertThat(search(channel(one.target(), "share"))).isEqualTo(Status.Code.UNAUTHENTICATED);
    assertThat(erase(channel(one.target(), "shared"))).isEqualTo(Status.Code.OK);

    EspalierServer two = serve(Map.of("auth_token", "shared", "admin.auth_token", "admins"));
    assertThat(search(channel(two.target(), "shared"))).isEqualTo(Status.Code.OK);
    assertThat(erase(channel(two.target(), "shared"))).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(reflect(channel(two.target(), "shared"))).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(erase(channel(two.target(), "admins"))).isEqualTo(Status.Code.OK);

    EspalierServer three = serve(Map.of("admin.auth_token", "admins"));
    assertThat(search(channel(three.target(), ""))).isEqualTo(Status.Code.OK);
    assertThat(erase(channel(three.target(), ""))).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(erase(channel(three.target(), "wrong"))).isEqualTo(Status.Code.UNAUTHENTICATED);
    assertThat(erase(channel(three.target(), "admins"))).isEqualTo(Status.Code.OK);
  }

  @Test
  void call_tokenInAFile_isReadAndNamedWhereItIsMissing() throws Exception {
    Files.writeString(folder.resolve("token"), "from-a-file\n");
    EspalierServer server =
        serve(Map.of("auth_token", "{file: \"" + folder.resolve("token") + "\"}"));
    assertThat(search(channel(server.target(), "from-a-file"))).isEqualTo(Status.Code.OK);
    ConfigException missing =
        catchThrowableOfType(
            ConfigException.class,
            () -> ServerConfig.of(Map.of("auth_token", "{file: \"/nowhere/token\"}")));
    assertThat(missing).hasMessageContaining("/nowhere/token").hasMessageContaining("auth_token");
  }

  @Test
  void call_webTokens_openWhatTheirScopesSay() throws Exception {
    ECKey key = new ECKeyGenerator(Curve.P_256).keyID("k").generate();
    Files.writeString(folder.resolve("keys.json"), new JWKSet(key).toPublicJWKSet().toString());
    EspalierServer server =
        serve(
            Map.of(
                "jwt.jwks", folder.resolve("keys.json").toString(),
                "jwt.issuer", "issuer",
                "jwt.audience", "espalier",
                "auth_token", "shared"));
    assertThat(search(channel(server.target(), ""))).isEqualTo(Status.Code.UNAUTHENTICATED);
    assertThat(health(channel(server.target(), ""))).isEqualTo(ServingStatus.SERVING);
    Map<String, List<Status.Code>> expected = new HashMap<>();
    Status.Code ok = Status.Code.OK;
    Status.Code no = Status.Code.PERMISSION_DENIED;
    expected.put("search", List.of(ok, no, no, no));
    expected.put("events", List.of(no, ok, no, no));
    expected.put("search events", List.of(ok, ok, no, no));
    expected.put("admin", List.of(no, no, ok, ok));
    expected.put("catalogue stage", List.of(no, no, no, no));
    expected.put("Search ADMIN admin2", List.of(no, no, no, no));
    expected.put("", List.of(no, no, no, no));
    expected.forEach(
        (scope, codes) -> {
          ManagedChannel channel = channel(server.target(), token(key, scope, "acme"));
          assertThat(List.of(search(channel), record(channel), erase(channel), publish(channel)))
              .as(scope)
              .isEqualTo(codes);
        });
    assertThat(tenant.get()).isEqualTo("acme");
    search(channel(server.target(), token(key, "search", null)));
    assertThat(tenant.get()).isEmpty();
    // A server of the cluster speaks for whom its own header says.
    search(channel(server.target(), "shared"));
    assertThat(tenant.get()).isEqualTo("not set");
    assertThat(reflect(channel(server.target(), token(key, "search", "acme")))).isEqualTo(no);
    assertThat(reflect(channel(server.target(), token(key, "admin", "acme")))).isEqualTo(ok);
    assertThat(server.unmappedExceptions()).isZero();
  }

  @Test
  void call_webTokensThatProveNothing_areToldWhatIsExpectedAndNothingOfThem() throws Exception {
    ECKey key = new ECKeyGenerator(Curve.P_256).keyID("k").generate();
    ECKey another = new ECKeyGenerator(Curve.P_256).keyID("k").generate();
    Files.writeString(folder.resolve("keys.json"), new JWKSet(key).toPublicJWKSet().toString());
    EspalierServer server =
        serve(
            Map.of(
                "jwt.jwks", folder.resolve("keys.json").toString(),
                "jwt.issuer", "issuer",
                "jwt.audience", "espalier"));
    assertThat(search(channel(server.target(), token(key, "search", null))))
        .isEqualTo(Status.Code.OK);
    Instant past = Instant.now().minusSeconds(3_600);
    for (String token :
        List.of(
            signed(key, claims("search", null).expirationTime(Date.from(past)).build()),
            signed(key, claims("search", null).audience("another").build()),
            signed(another, claims("search", null).build()),
            new PlainJWT(claims("search", null).build()).serialize())) {
      Status status = refusal(channel(server.target(), token));
      assertThat(status.getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
      assertThat(status.getDescription())
          .contains("expected: a JSON web token of issuer for espalier")
          .doesNotContain(token.substring(token.indexOf('.') + 1));
    }
    Status scopeless = refusal(channel(server.target(), token(key, "events", null)));
    assertThat(scopeless.getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(scopeless.getDescription()).contains("expected: the scope search");
  }

  private static Status refusal(Channel channel) {
    return catchThrowableOfType(
            StatusRuntimeException.class,
            () ->
                RouterServiceGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(20, TimeUnit.SECONDS)
                    .search(SearchRequest.getDefaultInstance()))
        .getStatus();
  }

  private static JWTClaimsSet.Builder claims(String scope, @Nullable String tenant) {
    return new JWTClaimsSet.Builder()
        .issuer("issuer")
        .audience("espalier")
        .subject("someone")
        .expirationTime(Date.from(Instant.now().plusMillis(60_000)))
        .claim("scope", scope)
        .claim("tenant", tenant);
  }

  private static String token(ECKey key, String scope, @Nullable String tenant) {
    return signed(key, claims(scope, tenant).build());
  }

  private static String signed(ECKey key, JWTClaimsSet claims) {
    try {
      SignedJWT token =
          new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.ES256).keyID("k").build(), claims);
      token.sign(new ECDSASigner(key));
      return token.serialize();
    } catch (JOSEException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void addresses_adminAndHealthOfTheirOwn_serveTheirPart() throws Exception {
    EspalierServer server =
        serve(
            Map.of(
                "admin.port", "0",
                "health_port", "0",
                "auth_token", "shared",
                "admin.auth_token", "admins"));
    ManagedChannel own = channel(server.target(), "shared");
    ManagedChannel admin = channel(server.adminTarget(), "admins");
    ManagedChannel probe = channel("127.0.0.1:" + server.healthPort(), "");
    assertThat(server.adminTarget()).isNotEqualTo(server.target());
    assertThat(search(own)).isEqualTo(Status.Code.OK);
    assertThat(search(admin)).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(erase(admin)).isEqualTo(Status.Code.OK);
    assertThat(publish(admin)).isEqualTo(Status.Code.OK);
    // Whatever the token: not at this address.
    ManagedChannel trying = channel(server.target(), "admins");
    assertThat(erase(trying)).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(publish(trying)).isEqualTo(Status.Code.UNIMPLEMENTED);
    assertThat(reflect(trying)).isEqualTo(Status.Code.UNIMPLEMENTED);
    assertThat(reflect(admin)).isEqualTo(Status.Code.OK);
    assertThat(erase(channel(server.adminTarget(), "shared")))
        .isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(erase(channel(server.adminTarget(), ""))).isEqualTo(Status.Code.UNAUTHENTICATED);
    for (ManagedChannel channel : List.of(own, admin, probe)) {
      assertThat(health(channel)).isEqualTo(ServingStatus.SERVING);
    }
    assertThat(search(probe)).isEqualTo(Status.Code.UNIMPLEMENTED);
    server.close();
    for (ManagedChannel channel : List.of(own, admin, probe)) {
      assertThat(code(() -> health(channel))).isEqualTo(Status.Code.UNAVAILABLE);
    }
  }

  @Test
  void adminService_callsUnderWay_takeNoPlaceFromOthers() throws Exception {
    for (String adminPort : List.of("null", "0")) {
      Held held = new Held();
      open.add(held.go::countDown);
      EspalierServer server =
          EspalierServer.builder(
                  "test",
                  ServerConfig.of(Map.of("max_concurrent_calls", "1", "admin.port", adminPort)))
              .service(new Router())
              .adminService(held)
              .build()
              .start();
      open.add(server);
      ManagedChannel admin = channel(server.adminTarget(), "");
      List<CompletableFuture<Status.Code>> published = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        published.add(
            CompletableFuture.supplyAsync(
                () -> publish(admin), task -> Thread.ofVirtual().start(task)));
      }
      assertThat(held.arrived.await(20, TimeUnit.SECONDS)).as(adminPort).isTrue();
      assertThat(search(channel(server.target(), ""))).as(adminPort).isEqualTo(Status.Code.OK);
      held.go.countDown();
      for (CompletableFuture<Status.Code> one : published) {
        assertThat(one.get(20, TimeUnit.SECONDS)).as(adminPort).isEqualTo(Status.Code.OK);
      }
    }
  }

  /** Answers when it is told to. */
  private static final class Held extends CatalogServiceGrpc.CatalogServiceImplBase {
    private final CountDownLatch arrived = new CountDownLatch(2);
    private final CountDownLatch go = new CountDownLatch(1);

    @Override
    public void publishSnapshot(
        PublishSnapshotRequest request, StreamObserver<PublishSnapshotResponse> observer) {
      arrived.countDown();
      try {
        go.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      observer.onNext(PublishSnapshotResponse.getDefaultInstance());
      observer.onCompleted();
    }
  }

  @Test
  void start_adminPortTaken_leavesNothingOpen() throws Exception {
    EspalierServer first = serve(Map.of());
    int free;
    try (java.net.ServerSocket probe = new java.net.ServerSocket(0)) {
      free = probe.getLocalPort();
    }
    EspalierServer second =
        EspalierServer.builder(
                "test",
                ServerConfig.of(
                    Map.of(
                        "port", Integer.toString(free),
                        "admin.port", Integer.toString(first.port()))))
            .service(new Router())
            .build();
    assertThat(catchThrowableOfType(IOException.class, second::start)).isNotNull();
    assertThat(search(channel("127.0.0.1:" + free, ""))).isEqualTo(Status.Code.UNAVAILABLE);
  }

  @Test
  void scope_methodNobodyThoughtOf_isForAdmins() {
    assertThat(Scope.of("espalier.admin.v1.AdminService/Switch")).isEqualTo(Scope.ADMIN);
    assertThat(Scope.of("inference.GRPCInferenceService/RepositoryModelLoad"))
        .isEqualTo(Scope.ADMIN);
    assertThat(Scope.of("inference.GRPCInferenceService/ModelInfer")).isEqualTo(Scope.STAGE);
  }

  @Test
  void authorization_strangeHeaders_areUnauthenticated() throws Exception {
    EspalierServer server = serve(Map.of("auth_token", "shared"));
    ManagedChannel plain = channel(server.target(), "");
    for (String header : List.of("shared", "Basic shared", "Bearer", "Bearer ", "bearer  shared")) {
      io.grpc.Metadata headers = new io.grpc.Metadata();
      headers.put(Authentication.AUTHORIZATION, header);
      assertThat(
              search(
                  io.grpc.ClientInterceptors.intercept(
                      plain, io.grpc.stub.MetadataUtils.newAttachHeadersInterceptor(headers))))
          .as(header)
          .isEqualTo(Status.Code.UNAUTHENTICATED);
    }
  }
}

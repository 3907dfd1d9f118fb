package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.espalier.bundles.BundleRepository;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.ClientChannels;
import io.espalier.server.Secret;
import io.espalier.server.TestAuthority;
import io.espalier.server.TlsConfig;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Five processes that speak TLS with certificates on both ends, one of them the engine of a stage,
 * a router that wants web tokens and has an admin address and plaintext health, and the program's
 * own commands as clients.
 */
class SecureClusterIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));

  @TempDir private static Path directory = Path.of("");
  private static final List<AutoCloseable> open = new ArrayList<>();
  private static final TestAuthority cluster = new TestAuthority("cluster");
  private static ECKey key;
  private static String query;
  private static String user;
  private static String router;
  private static int admin;
  private static int health;

  @BeforeAll
  static void start() throws Exception {
    key = new ECKeyGenerator(Curve.P_256).keyID("k").generate();
    Files.writeString(file("keys.json"), new JWKSet(key).toPublicJWKSet().toString());
    Files.writeString(file("ca.pem"), cluster.pem());
    for (String name : List.of("server", "router", "stage", "client")) {
      cluster.issue(name).write(file(name + ".pem"), file(name + ".key"));
    }
    Files.writeString(file("search.token"), token("search"));
    Files.writeString(file("admin.token"), token("admin"));
    Path data = BuiltInShop.folder(ROOT);
    DataFolder folder = DataFolder.open(data);
    query = folder.queries().getFirst().query();
    user = folder.sequences().getFirst().user();
    List<String> common =
        List.of(
            "--data",
            data.toString(),
            "--model-repo",
            patientRepository().toString(),
            "--set",
            "rewrite_model_budget=60s");
    List<String> inference = new ArrayList<>(List.of("serve", "inference", "--port", "0"));
    inference.addAll(common.subList(2, 4));
    inference.addAll(tls("server", "server"));
    inference.addAll(
        List.of("--set", "server.client_names=[stage]", "--set", "inference.control=explicit"));
    String engine = process(inference).target();
    List<String> peers = new ArrayList<>();
    for (String stage : List.of("rewrite", "retrieval", "ranking")) {
      List<String> arguments = new ArrayList<>(List.of("serve", stage, "--port", "0"));
      arguments.addAll(common);
      arguments.addAll(tls("server", "server"));
      arguments.addAll(List.of("--set", "server.client_names=[router]"));
      if (stage.equals("ranking")) {
        arguments.addAll(List.of("--engine", engine));
        arguments.addAll(tls("engine.calls", "stage"));
      }
      peers.addAll(List.of("--peer", stage + "=" + process(arguments).target()));
    }
    admin = freePort();
    health = freePort();
    List<String> arguments = new ArrayList<>(List.of("serve", "router", "--port", "0"));
    arguments.addAll(common);
    arguments.addAll(peers);
    arguments.addAll(tls("server", "server"));
    arguments.addAll(tls("calls", "router"));
    arguments.addAll(
        List.of(
            "--set",
            "server.jwt.jwks=\"" + file("keys.json") + "\"",
            "--set",
            "server.jwt.issuer=issuer",
            "--set",
            "server.jwt.audience=espalier",
            "--set",
            "server.admin.port=" + admin,
            "--set",
            "server.health_port=" + health));
    router = process(arguments).target();
  }

  private static Path file(String name) {
    return directory.resolve(name);
  }

  private static List<String> tls(String end, String identity) {
    return List.of(
        "--set", end + ".tls.certificate=\"" + file(identity + ".pem") + "\"",
        "--set", end + ".tls.key=\"" + file(identity + ".key") + "\"",
        "--set", end + ".tls.trust=\"" + file("ca.pem") + "\"");
  }

  private static ServerProcess process(List<String> arguments) throws Exception {
    ServerProcess process = ServerProcess.start(ROOT, arguments);
    open.add(process);
    process.target();
    return process;
  }

  private static int freePort() throws Exception {
    try (ServerSocket probe = new ServerSocket(0)) {
      return probe.getLocalPort();
    }
  }

  private static String token(String scope) throws Exception {
    SignedJWT token =
        new SignedJWT(
            new JWSHeader.Builder(JWSAlgorithm.ES256).keyID("k").build(),
            new JWTClaimsSet.Builder()
                .issuer("issuer")
                .audience("espalier")
                .subject("someone")
                .expirationTime(Date.from(Instant.now().plusMillis(3_600_000)))
                .claim("scope", scope)
                .build());
    token.sign(new ECDSASigner(key));
    return token.serialize();
  }

  /** Routes without budgets: what is looked at is who may, not when. */
  private static Path patientRepository() throws Exception {
    Path real = ROOT.resolve("model-repo");
    Path repository = directory.resolve("repository");
    Path routes = Files.createDirectories(repository.resolve("routes"));
    for (String part : List.of("models", "bundles")) {
      Files.createSymbolicLink(repository.resolve(part), real.resolve(part));
    }
    for (RouteText route : Deployment.routes(BundleRepository.open(real))) {
      Files.writeString(routes.resolve(route.name() + ".yaml"), route.withoutBudgets().yaml());
    }
    return repository;
  }

  @AfterAll
  static void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private static RouterServiceBlockingStub stub(String target, String scope) throws Exception {
    TlsConfig plain = TlsConfig.off();
    Caller caller =
        Caller.open(
            new CallerConfig(
                new TlsConfig(
                    file("client.pem").toString(),
                    file("client.key").toString(),
                    file("ca.pem").toString(),
                    plain.minVersion(),
                    plain.reload()),
                Secret.of(token(scope))));
    open.add(caller);
    ManagedChannel channel = ClientChannels.open(target, caller);
    open.add(channel::shutdownNow);
    return RouterServiceGrpc.newBlockingStub(channel).withDeadlineAfter(60, TimeUnit.SECONDS);
  }

  @Test
  void search_throughAllServers_isWholeAndForItsScopeAlone() throws Exception {
    SearchRequest request = SearchRequest.newBuilder().setQuery(query).build();
    SearchResponse found = stub(router, "search").search(request);
    assertThat(found.getPage().getItemsCount()).isPositive();
    assertThat(found.getPage().getDegradationsList()).isEmpty();
    StatusRuntimeException refused =
        catchThrowableOfType(
            StatusRuntimeException.class, () -> stub(router, "events").search(request));
    assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
  }

  @Test
  void erase_atTheAdminAddressAlone() throws Exception {
    EraseUserRequest request = EraseUserRequest.newBuilder().setUserId("nobody").build();
    var unused = stub("127.0.0.1:" + admin, "admin").eraseUser(request);
    StatusRuntimeException elsewhere =
        catchThrowableOfType(
            StatusRuntimeException.class, () -> stub(router, "admin").eraseUser(request));
    assertThat(elsewhere.getStatus().getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
    assertThat(elsewhere.getStatus().getDescription()).contains("admin address");
  }

  @Test
  void health_inPlaintext_isServing() {
    ManagedChannel channel = ClientChannels.open("127.0.0.1:" + health);
    open.add(channel::shutdownNow);
    assertThat(
            HealthGrpc.newBlockingStub(channel)
                .withDeadlineAfter(60, TimeUnit.SECONDS)
                .check(HealthCheckRequest.getDefaultInstance())
                .getStatus())
        .isEqualTo(ServingStatus.SERVING);
  }

  private record Ended(int code, String output) {}

  private static Ended run(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(ServerProcess.command(ROOT));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor(), output);
  }

  @Test
  void commands_withCredentials_areAnsweredAndWithoutAreToldWhy() throws Exception {
    String ca = file("ca.pem").toString();
    String cert = file("client.pem").toString();
    String own = file("client.key").toString();
    String data = BuiltInShop.folder(ROOT).toString();
    Ended good =
        run(
            "search",
            query,
            "--target",
            router,
            "--data",
            data,
            "--ca",
            ca,
            "--cert",
            cert,
            "--key",
            own,
            "--token-file",
            file("search.token").toString(),
            "--deadline",
            "60s");
    assertThat(good.code()).as(good.output()).isZero();
    Ended erased =
        run(
            "erase",
            user,
            "--target",
            "127.0.0.1:" + admin,
            "--ca",
            ca,
            "--cert",
            cert,
            "--key",
            own,
            "--token-file",
            file("admin.token").toString());
    assertThat(erased.output()).contains("erased " + user);
    Ended ready = run("ready", "--target", router, "--ca", ca, "--cert", cert, "--key", own);
    assertThat(ready.output()).contains("SERVING");
    Ended anonymous = run("recommend", user, "--target", router, "--ca", ca, "--data", data);
    assertThat(anonymous.code()).isEqualTo(4);
    assertThat(anonymous.output()).contains("the server wants a certificate of its clients");
    Ended tokenless =
        run(
            "recommend",
            user,
            "--target",
            router,
            "--data",
            data,
            "--ca",
            ca,
            "--cert",
            cert,
            "--key",
            own);
    assertThat(tokenless.output()).contains("UNAUTHENTICATED").contains("a JSON web token");
    Ended plaintext = run("recommend", user, "--target", router, "--data", data);
    assertThat(plaintext.code()).isEqualTo(4);
  }
}

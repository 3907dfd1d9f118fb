package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteResponse;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.rewrite.v1.RewriteServiceGrpc.RewriteServiceBlockingStub;
import io.espalier.server.ClientChannels.Spread;
import io.grpc.ManagedChannel;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A channel to several servers on loopback, of which some come, go, fail or stand still. */
class ReplicasTest {
  private static final Duration PATIENCE = Duration.ofMinutes(1);

  private final List<AutoCloseable> open = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable one : open.reversed()) {
      one.close();
    }
  }

  /** A server that counts its calls, and answers with its name when it is told to answer. */
  private final class Replica extends RewriteServiceGrpc.RewriteServiceImplBase {
    final String name;
    final AtomicInteger calls = new AtomicInteger();
    final AtomicInteger waiting = new AtomicInteger();
    volatile CountDownLatch gate = new CountDownLatch(0);
    volatile Status status = Status.OK;
    volatile Duration time = Duration.ZERO;
    private final int port;
    EspalierServer server;

    Replica(String name) throws IOException {
      this(name, "127.0.0.1", 0);
    }

    Replica(String name, String host, int port) throws IOException {
      this.name = name;
      server = start(host, port);
      this.port = server.port();
    }

    private EspalierServer start(String host, int port) throws IOException {
      EspalierServer started =
          EspalierServer.builder(name, ServerConfig.defaults().on(host, port))
              .service(this)
              .build()
              .start();
      open.add(started);
      return started;
    }

    void restart() throws IOException {
      server = start("127.0.0.1", port);
    }

    @Override
    public void rewrite(RewriteRequest request, StreamObserver<RewriteResponse> observer) {
      calls.incrementAndGet();
      waiting.incrementAndGet();
      try {
        gate.await();
        Thread.sleep(time);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } finally {
        waiting.decrementAndGet();
      }
      switch (status.getCode()) {
        case OK -> {
          observer.onNext(RewriteResponse.newBuilder().setNormalisedQuery(name).build());
          observer.onCompleted();
        }
        case RESOURCE_EXHAUSTED -> throw RequestException.resourceExhausted("full");
        default -> throw RequestException.unavailable("broken");
      }
    }
  }

  private RewriteServiceBlockingStub channelTo(Replica... replicas) {
    return channelTo(Spread.LEAST_CALLS, replicas);
  }

  private RewriteServiceBlockingStub channelTo(Spread spread, Replica... replicas) {
    return channelTo(
        spread,
        Arrays.stream(replicas)
            .map(replica -> replica.server.target())
            .collect(Collectors.joining(",")));
  }

  private RewriteServiceBlockingStub channelTo(Spread spread, String target) {
    ManagedChannel channel =
        ClientChannels.open(target, Caller.plain(), 1 << 20, OpenTelemetry.noop(), spread);
    open.add(channel::shutdownNow);
    return RewriteServiceGrpc.newBlockingStub(channel);
  }

  private static String call(RewriteServiceBlockingStub stub) {
    return call(stub, PATIENCE);
  }

  private static String call(RewriteServiceBlockingStub stub, Duration deadline) {
    return stub.withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS)
        .rewrite(RewriteRequest.newBuilder().setQuery("q").build())
        .getNormalisedQuery();
  }

  private static void untilAllAnswer(RewriteServiceBlockingStub stub, Replica... replicas) {
    Set<String> names =
        Arrays.stream(replicas).map(replica -> replica.name).collect(Collectors.toSet());
    Set<String> seen = new HashSet<>();
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              seen.add(call(stub));
              return seen.containsAll(names);
            });
  }

  @Test
  void open_listOfReplicas_allGetCalls() throws IOException {
    Replica a = new Replica("a");
    Replica b = new Replica("b");
    Replica c = new Replica("c");
    untilAllAnswer(channelTo(a, b, c), a, b, c);
  }

  @Test
  void replicas_listAndName_areEachReplicaOnce() throws Exception {
    assertThat(ClientChannels.replicas("dns:///127.0.0.1:7701, 127.0.0.2:7701,127.0.0.1:7701"))
        .containsExactly(
            new ReplicaAddress("127.0.0.1:7701", "127.0.0.1:7701"),
            new ReplicaAddress("127.0.0.2:7701", "127.0.0.2:7701"));
    ReplicaResolver.Lookup lookup =
        name ->
            switch (name) {
              case "two" ->
                  List.of(InetAddress.ofLiteral("10.0.0.7"), InetAddress.ofLiteral("10.0.0.8"));
              case "both" ->
                  List.of(
                      InetAddress.ofLiteral("fd00::7"),
                      InetAddress.ofLiteral("10.0.0.7"),
                      InetAddress.ofLiteral("fd00::8"));
              default -> throw new UnknownHostException(name);
            };
    assertThat(ReplicaResolver.lookUp("two:1,both:1", lookup))
        .containsExactly(
            new ReplicaAddress("10.0.0.7:1", "two:1"),
            new ReplicaAddress("10.0.0.8:1", "two:1"),
            new ReplicaAddress("[fd00:0:0:0:0:0:0:7]:1", "both:1"),
            new ReplicaAddress("[fd00:0:0:0:0:0:0:8]:1", "both:1"));
    assertThatThrownBy(() -> ReplicaResolver.lookUp("two:1,none:1", lookup))
        .isInstanceOf(UnknownHostException.class);
  }

  @Test
  void replicas_whatIsNotLookedInto_isOne() throws Exception {
    for (String target : List.of("in-process:a", "unix:/run/a", "xds:///a")) {
      assertThat(ClientChannels.replicas(target))
          .containsExactly(new ReplicaAddress(target, target));
    }
    assertThatThrownBy(() -> ClientChannels.replicas("no port"))
        .isInstanceOf(ConfigException.class)
        .hasMessage("target: no port (expected: host:port, several with commas between)");
  }

  @Test
  void open_ofABusyAndAnIdleReplica_theIdleOneGetsTheCalls() throws IOException {
    Replica busy = new Replica("busy");
    Replica idle = new Replica("idle");
    RewriteServiceBlockingStub stub = channelTo(busy, idle);
    untilAllAnswer(stub, busy, idle);
    busy.gate = new CountDownLatch(1);
    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      // One at a time: while the idle one has a call it is as busy as the other.
      while (busy.waiting.get() == 0) {
        Future<String> one = callers.submit(() -> call(stub));
        await().atMost(PATIENCE).until(() -> one.isDone() || busy.waiting.get() > 0);
      }
      int before = idle.calls.get();
      for (int i = 0; i < 50; i++) {
        assertThat(call(stub)).isEqualTo("idle");
      }
      assertThat(idle.calls.get()).isGreaterThanOrEqualTo(before + 50);
      busy.gate.countDown();
    }
  }

  @Test
  void close_underLoad_losesNoCall() throws Exception {
    Replica[] replicas = {new Replica("a"), new Replica("b"), new Replica("c")};
    for (Replica replica : replicas) {
      replica.time = Duration.ofMillis(5);
    }
    RewriteServiceBlockingStub stub = channelTo(replicas);
    untilAllAnswer(stub, replicas);
    AtomicBoolean over = new AtomicBoolean();
    ConcurrentLinkedQueue<Exception> failures = new ConcurrentLinkedQueue<>();
    AtomicInteger answered = new AtomicInteger();
    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 8; i++) {
        callers.execute(
            () -> {
              while (!over.get()) {
                try {
                  call(stub);
                  answered.incrementAndGet();
                } catch (StatusRuntimeException e) {
                  failures.add(e);
                }
              }
            });
      }
      // Each in turn is closed and starts again at the same address.
      for (Replica replica : replicas) {
        int before = replica.calls.get();
        await().atMost(PATIENCE).until(() -> replica.calls.get() > before + 20);
        replica.server.close();
        replica.restart();
        int gone = replica.calls.get();
        await().atMost(PATIENCE).until(() -> replica.calls.get() > gone + 20);
      }
      over.set(true);
    }
    assertThat(failures).isEmpty();
    assertThat(answered).hasPositiveValue();
  }

  @Test
  void close_ofOneReplica_itGetsNothingAndTheOthersAll() throws IOException {
    Replica a = new Replica("a");
    Replica b = new Replica("b");
    RewriteServiceBlockingStub stub = channelTo(a, b);
    untilAllAnswer(stub, a, b);
    a.server.close();
    for (int i = 0; i < 100; i++) {
      assertThat(call(stub)).isEqualTo("b");
    }
    a.restart();
    untilAllAnswer(stub, a, b);
  }

  @Test
  void call_allReplicasAway_failsAtOnceAndAgainWorksWhenOneIsBack() throws IOException {
    Replica a = new Replica("a");
    RewriteServiceBlockingStub stub = channelTo(a);
    untilAllAnswer(stub, a);
    a.server.close();
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () ->
                assertThatThrownBy(() -> call(stub))
                    .isInstanceOfSatisfying(
                        StatusRuntimeException.class,
                        e ->
                            assertThat(e.getStatus().getCode())
                                .isEqualTo(Status.Code.UNAVAILABLE)));
    a.restart();
    await()
        .atMost(PATIENCE)
        .ignoreExceptionsInstanceOf(StatusRuntimeException.class)
        .until(() -> call(stub).equals("a"));
  }

  @Test
  void call_replicaThatFailsEveryCall_isLeftAlone() throws IOException {
    Replica good = new Replica("good");
    Replica bad = new Replica("bad");
    RewriteServiceBlockingStub stub = channelTo(good, bad);
    untilAllAnswer(stub, good, bad);
    bad.status = Status.UNAVAILABLE;
    int failed = 0;
    for (int i = 0; i < 400; i++) {
      try {
        call(stub);
      } catch (StatusRuntimeException e) {
        failed++;
      }
    }
    // Two that showed it, and a try every quarter of a second or less often.
    assertThat(failed).isBetween(2, 30);
    bad.status = Status.OK;
    untilAllAnswer(stub, good, bad);
  }

  /** It says so at once, so it would have the fewest calls under way, and draw all of them. */
  @Test
  void call_anotherProgramAtAReplicasAddress_isLeftAlone() throws IOException {
    Replica good = new Replica("good");
    EspalierServer other = EspalierServer.builder("other", ServerConfig.defaults()).build().start();
    open.add(other);
    RewriteServiceBlockingStub stub =
        channelTo(Spread.LEAST_CALLS, good.server.target() + "," + other.target());
    Set<Status.Code> seen = new HashSet<>();
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              seen.add(code(stub));
              return seen.containsAll(Set.of(Status.Code.OK, Status.Code.UNIMPLEMENTED));
            });
    int failed = 0;
    for (int i = 0; i < 400; i++) {
      failed += code(stub) == Status.Code.OK ? 0 : 1;
    }
    assertThat(failed).isLessThanOrEqualTo(30);
  }

  private static Status.Code code(RewriteServiceBlockingStub stub) {
    try {
      call(stub);
      return Status.Code.OK;
    } catch (StatusRuntimeException e) {
      return e.getStatus().getCode();
    }
  }

  @Test
  void call_replicaThatStandsStill_isLeftAlone() throws IOException {
    Replica good = new Replica("good");
    Replica still = new Replica("still");
    RewriteServiceBlockingStub stub = channelTo(good, still);
    untilAllAnswer(stub, good, still);
    still.gate = new CountDownLatch(1);
    int late = 0;
    for (int i = 0; i < 300; i++) {
      try {
        call(stub, Duration.ofMillis(200));
      } catch (StatusRuntimeException e) {
        assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        late++;
      }
    }
    assertThat(late).isBetween(2, 30);
    still.gate.countDown();
    untilAllAnswer(stub, good, still);
  }

  @Test
  void call_replicaThatRefusesForLoad_isAskedStill() throws IOException {
    Replica good = new Replica("good");
    Replica full = new Replica("full");
    RewriteServiceBlockingStub stub = channelTo(good, full);
    untilAllAnswer(stub, good, full);
    full.status = Status.RESOURCE_EXHAUSTED;
    int before = full.calls.get();
    for (int i = 0; i < 200; i++) {
      try {
        call(stub);
      } catch (StatusRuntimeException e) {
        assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
      }
    }
    assertThat(full.calls.get() - before).isGreaterThan(40);
  }

  @Test
  void call_allReplicasFail_allAreAskedStill() throws IOException {
    Replica a = new Replica("a");
    Replica b = new Replica("b");
    RewriteServiceBlockingStub stub = channelTo(a, b);
    untilAllAnswer(stub, a, b);
    a.status = Status.UNAVAILABLE;
    b.status = Status.UNAVAILABLE;
    int before = a.calls.get() + b.calls.get();
    for (int i = 0; i < 100; i++) {
      assertThatThrownBy(() -> call(stub)).hasMessageContaining("UNAVAILABLE");
    }
    assertThat(a.calls.get() + b.calls.get()).isEqualTo(before + 100);
  }

  @Test
  void open_byKey_usersStayWhereTheyAreAndMoveOnlyFromALostReplica() throws IOException {
    Replica[] replicas = {new Replica("a"), new Replica("b"), new Replica("c")};
    RewriteServiceBlockingStub stub = channelTo(Spread.BY_KEY, replicas);
    untilAllAnswer(stub, replicas);
    List<String> users = IntStream.range(0, 60).mapToObj(i -> "user-" + i).toList();
    Map<String, String> homes = new HashMap<>();
    users.forEach(user -> homes.put(user, call(Affinity.with(stub, user))));
    assertThat(new HashSet<>(homes.values())).hasSize(3);
    for (String user : users) {
      for (int i = 0; i < 3; i++) {
        assertThat(call(Affinity.with(stub, user))).isEqualTo(homes.get(user));
      }
    }
    // Another router sends them to the same replicas.
    RewriteServiceBlockingStub other = channelTo(Spread.BY_KEY, replicas);
    untilAllAnswer(other, replicas);
    users.forEach(user -> assertThat(call(Affinity.with(other, user))).isEqualTo(homes.get(user)));

    replicas[0].server.close();
    for (String user : users) {
      String now = call(Affinity.with(stub, user));
      if ("a".equals(homes.get(user))) {
        assertThat(now).isNotEqualTo("a");
      } else {
        assertThat(now).isEqualTo(homes.get(user));
      }
    }
  }

  @Test
  void open_nameWithMoreAndThenOtherAddresses_followsThem() throws Exception {
    int port = freePort();
    Replica one = new Replica("one", "127.0.0.1", port);
    Replica two = new Replica("two", "127.0.0.2", port);
    Map<String, List<InetAddress>> names = new ConcurrentHashMap<>();
    names.put("stage", List.of(InetAddress.ofLiteral("127.0.0.1")));
    NameResolverRegistry.getDefaultRegistry()
        .register(
            new ReplicaResolver.Provider(
                "test-replicas",
                name -> {
                  List<InetAddress> addresses = names.get(name);
                  if (addresses == null) {
                    throw new UnknownHostException(name);
                  }
                  return addresses;
                }));
    RewriteServiceBlockingStub stub =
        channelTo(Spread.LEAST_CALLS, "test-replicas:///stage:" + port);
    untilAllAnswer(stub, one);
    assertThat(two.calls).hasValue(0);

    names.put(
        "stage", List.of(InetAddress.ofLiteral("127.0.0.1"), InetAddress.ofLiteral("127.0.0.2")));
    untilAllAnswer(stub, one, two);

    names.put("stage", List.of(InetAddress.ofLiteral("127.0.0.2")));
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> {
              int before = one.calls.get();
              for (int i = 0; i < 50; i++) {
                assertThat(call(stub)).isEqualTo("two");
              }
              assertThat(one.calls).hasValue(before);
            });

    // The name server is away: nothing changes.
    names.remove("stage");
    long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(7);
    while (System.nanoTime() < until) {
      assertThat(call(stub)).isEqualTo("two");
    }
  }

  /** A host that takes connections and never says a word holds up nobody but its own. */
  @Test
  void open_replicaThatTakesConnectionsAndSaysNothing_isLeftAlone() throws Exception {
    Replica good = new Replica("good");
    try (ServerSocket mute = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      List<Socket> taken = new ArrayList<>();
      Thread accepting =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      while (true) {
                        taken.add(mute.accept());
                      }
                    } catch (IOException e) {
                      // Closed.
                    }
                  });
      RewriteServiceBlockingStub stub =
          channelTo(Spread.LEAST_CALLS, good.server.target() + ",127.0.0.1:" + mute.getLocalPort());
      for (int i = 0; i < 100; i++) {
        assertThat(call(stub)).isEqualTo("good");
      }
      mute.close();
      accepting.join();
      for (Socket socket : taken) {
        socket.close();
      }
    }
  }

  @Test
  void open_whatIsNoTarget_isRefused() {
    assertThatThrownBy(() -> ClientChannels.open("127.0.0.1:7701,retrieval"))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            "target: 127.0.0.1:7701,retrieval (expected: host:port, several with commas between)");
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}

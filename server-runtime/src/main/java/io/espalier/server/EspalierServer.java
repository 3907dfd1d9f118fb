package io.espalier.server;

import io.grpc.BindableService;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallExecutorSupplier;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.util.concurrent.ImmediateExecutor;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongGauge;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A gRPC server of the cluster, over TCP or in process: its services behind the one chain of
 * interceptors, health, reflection, and an orderly start and stop.
 *
 * <p>Models are loaded and warmed before {@link #start}; health becomes SERVING last, when every
 * readiness check holds, and follows the checks from then on. {@link #close} reports NOT_SERVING,
 * waits for load balancers to notice, drains (calls without an end of their own are ended), and
 * then closes what was handed over, last first.
 *
 * <p>Every call that is let in runs on its own virtual thread, so that services may block; those
 * that never do can run on the transport's threads instead. Whether it is let in is decided on the
 * transport's thread.
 */
public final class EspalierServer implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(EspalierServer.class);
  private static final AttributeKey<String> SERVER = AttributeKey.stringKey("server");
  private static final long READINESS_PERIOD_MILLIS = 500;
  // The transport's own limit resets the stream without a readable status: ours comes first.
  private static final int TRANSPORT_LIMIT_FACTOR = 4;

  private final String name;
  private final ServerConfig config;
  private final Server server;
  private final @Nullable Server admin;
  private final @Nullable Server probes;
  private final @Nullable TlsFiles tls;
  private final @Nullable JwtVerifier jwt;
  private final @Nullable String inProcessName;
  private final HealthStatusManager health;
  private final List<String> serviceNames;
  private final Map<String, BooleanSupplier> readiness;
  private final List<AutoCloseable> closeables;
  private final ExceptionMapper mapper;
  private final ConcurrencyLimit limit;
  private final EndlessCalls endless;
  private final ObservableLongGauge servingGauge;
  private final ExecutorService callThreads;
  private final Thread readinessThread;
  private final AtomicBoolean closed = new AtomicBoolean();
  private volatile boolean serving;
  private volatile boolean announced;

  private EspalierServer(Builder builder, @Nullable String inProcessName) {
    this.name = builder.name;
    this.config = builder.config;
    this.inProcessName = inProcessName;
    this.readiness = new LinkedHashMap<>(builder.readiness);
    this.closeables = List.copyOf(builder.closeables);
    this.health = new HealthStatusManager();
    this.callThreads =
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name(name + "-call-", 0).factory());
    this.readinessThread =
        Thread.ofVirtual().name(name + "-readiness").unstarted(this::watchReadiness);
    Meter meter = builder.openTelemetry.getMeter("io.espalier.server");
    this.servingGauge =
        meter
            .gaugeBuilder("espalier.server.serving")
            .ofLongs()
            .setDescription("1 while health reports SERVING, else 0")
            .buildWithCallback(
                gauge -> gauge.record(serving() ? 1 : 0, Attributes.of(SERVER, name)));
    this.mapper = new ExceptionMapper(builder.exceptionRules, meter);
    this.tls =
        inProcessName == null && config.tls().hasCertificate()
            ? TlsFiles.ofServer("server", config.tls(), meter)
            : null;
    this.jwt =
        config.jwt().isOff()
            ? null
            : new JwtVerifier(config.jwt(), JwtKeys.open(config.jwt()), Clock.systemUTC());
    JwtVerifier tokens = jwt;
    if (tokens != null) {
      readiness.put("the keys of web tokens", tokens::isReady);
    }
    this.serviceNames = names(builder);
    serviceNames.forEach(service -> health.setStatus(service, ServingStatus.NOT_SERVING));
    builder.announcements.forEach(announcements -> announcements.tell(health));
    CallTelemetry telemetry = new CallTelemetry(meter);
    this.limit = new ConcurrencyLimit(config.maxConcurrentCalls(), config.admission(), name, meter);
    this.endless = new EndlessCalls(builder.endless);
    Integer adminPort = config.admin().port();
    if (inProcessName != null) {
      this.admin = null;
      this.server =
          server(Listens.IN_PROCESS, inProcess(inProcessName), "localhost", builder, telemetry);
    } else if (adminPort == null) {
      this.admin = null;
      this.server =
          server(
              Listens.ALONE, tcp(config.host(), config.port()), config.host(), builder, telemetry);
    } else {
      String host = config.admin().host();
      this.admin = server(Listens.ADMIN, tcp(host, adminPort), host, builder, telemetry);
      this.server =
          server(
              Listens.BESIDE_ADMIN,
              tcp(config.host(), config.port()),
              config.host(),
              builder,
              telemetry);
    }
    Integer healthPort = config.healthPort();
    this.probes =
        inProcessName == null && healthPort != null
            ? TransportThreads.serve(
                    NettyServerBuilder.forAddress(new InetSocketAddress(config.host(), healthPort)))
                .addService(
                    ServerInterceptors.intercept(
                        health.getHealthService(), endless, mapper, telemetry))
                .build()
            : null;
  }

  private static List<String> names(Builder builder) {
    List<String> names = new ArrayList<>(List.of(HealthStatusManager.SERVICE_NAME_ALL_SERVICES));
    for (BindableService service : builder.all()) {
      names.add(service.bindService().getServiceDescriptor().getName());
    }
    return List.copyOf(names);
  }

  /** One address: what is served there, each service behind the one chain of interceptors. */
  private Server server(
      Listens where,
      ServerBuilder<?> transport,
      String host,
      Builder builder,
      CallTelemetry telemetry) {
    run(transport, callThreads, Set.copyOf(serviceNames));
    transport.maxInboundMessageSize(config.maxMessageBytes() * TRANSPORT_LIMIT_FACTOR);
    boolean trusted = where == Listens.IN_PROCESS || config.insecure() || isLoopback(host);
    Authentication authentication = new Authentication(config, jwt, where, trusted);
    OwnThread ownThread = new OwnThread(callThreads, builder.neverBlocking);
    List<ServerInterceptor> chain = chain(builder, telemetry, ownThread, authentication);
    for (BindableService service :
        where == Listens.BESIDE_ADMIN ? builder.services : builder.all()) {
      ServerServiceDefinition bound = service.bindService();
      if (bound.getMethods().stream()
          .map(method -> Scope.of(method.getMethodDescriptor().getFullMethodName()))
          .anyMatch(where::serves)) {
        ServerServiceDefinition raw =
            ServerInterceptors.useMarshalledMessages(bound, new RawMessages());
        // grpc-java runs the last interceptor of the list first.
        transport.addService(ServerInterceptors.intercept(raw, chain.reversed()));
      }
    }
    transport.addService(
        ServerInterceptors.intercept(health.getHealthService(), endless, mapper, telemetry));
    if (config.reflection() && where != Listens.BESIDE_ADMIN) {
      List<ServerInterceptor> guards = List.of(telemetry, mapper, authentication);
      ServerServiceDefinition reflection = ProtoReflectionServiceV1.newInstance().bindService();
      for (ServerServiceDefinition version :
          List.of(reflection, ReflectionV1Alpha.of(reflection))) {
        transport.addService(ServerInterceptors.intercept(version, guards.reversed()));
      }
    }
    if (!trusted && authentication.knowsNobody()) {
      log.warn(
          "{} at {} asks for no credentials: what changes a catalogue or a server is closed there",
          name,
          host);
    }
    return transport.build();
  }

  /** Whether nobody but this machine reaches an address. */
  static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false; // Listening there fails, too.
    }
  }

  /** The interceptors of every service, outermost first. */
  private List<ServerInterceptor> chain(
      Builder builder,
      CallTelemetry telemetry,
      OwnThread ownThread,
      Authentication authentication) {
    List<ServerInterceptor> chain = new ArrayList<>();
    if (Telemetry.traces(builder.openTelemetry)) {
      chain.add(new CallTracing(builder.openTelemetry));
    }
    chain.add(telemetry);
    chain.add(ownThread);
    chain.add(mapper);
    if (config.perClient().connections() > 0) {
      chain.add(new ConnectionLimit.Guard());
    }
    chain.add(authentication);
    if (config.perClient().callsPerSecond() > 0) {
      chain.add(
          new Except(
              builder.alwaysLetIn,
              new CallRate(
                  config.perClient().callsPerSecond(),
                  config.perClient().burst(),
                  System::nanoTime)));
    }
    chain.add(new CallOrigin());
    chain.add(new Except(unlimited(builder), limit));
    chain.add(new DeadlineFloor(config.deadlineFloor()));
    chain.add(new MessageSizeLimit(config.maxMessageBytes()));
    chain.add(endless);
    return chain;
  }

  private static Set<String> unlimited(Builder builder) {
    Set<String> methods = new HashSet<>(builder.alwaysLetIn);
    for (BindableService service : builder.adminServices) {
      service
          .bindService()
          .getMethods()
          .forEach(method -> methods.add(method.getMethodDescriptor().getFullMethodName()));
    }
    return methods;
  }

  /**
   * Calls of the services begin on the transport's threads and leave them when they have been let
   * in; those of gRPC's own services have a thread from the start. That a caller hung up is told on
   * the transport's thread: it must not wait for a processor behind the very calls that it would
   * end. Netty runs the work of TLS handshakes there, too, and goes on when it is done: it knows
   * that this executor does not run it elsewhere, as it would think of any other.
   */
  private static void run(
      ServerBuilder<?> transport, Executor callThreads, Set<String> serviceNames) {
    transport
        .executor(ImmediateExecutor.INSTANCE)
        .callExecutor(
            new ServerCallExecutorSupplier() {
              @Override
              public <Q, R> Executor getExecutor(ServerCall<Q, R> call, Metadata metadata) {
                return serviceNames.contains(call.getMethodDescriptor().getServiceName())
                    ? ImmediateExecutor.INSTANCE
                    : callThreads;
              }
            });
  }

  private ServerBuilder<?> tcp(String host, int port) {
    NettyServerBuilder builder =
        TransportThreads.serve(NettyServerBuilder.forAddress(new InetSocketAddress(host, port)))
            .maxInboundMetadataSize(config.maxHeaderBytes())
            .permitKeepAliveTime(10, TimeUnit.SECONDS)
            .permitKeepAliveWithoutCalls(true);
    TlsFiles files = tls;
    if (files != null) {
      builder.sslContext(files.server());
    }
    if (config.perClient().connections() > 0) {
      builder.addTransportFilter(new ConnectionLimit(config.perClient().connections()));
    }
    if (config.maxConnectionAge().isPositive()) {
      builder
          .maxConnectionAge(config.maxConnectionAge().toMillis(), TimeUnit.MILLISECONDS)
          .maxConnectionAgeGrace(config.maxConnectionAgeGrace().toMillis(), TimeUnit.MILLISECONDS);
    }
    return builder;
  }

  private static ServerBuilder<?> inProcess(String inProcessName) {
    return InProcessServerBuilder.forName(inProcessName);
  }

  public static Builder builder(String name, ServerConfig config) {
    return new Builder(name, config);
  }

  /** Opens the socket, then reports SERVING if every readiness check holds. */
  public EspalierServer start() throws IOException {
    try {
      for (Server one : servers()) {
        one.start();
      }
    } catch (IOException e) {
      servers().forEach(Server::shutdownNow);
      throw e;
    }
    checkReadiness();
    readinessThread.start();
    log.info("{} listens on {}", name, target());
    if (admin != null) {
      log.info("{} is administered on {}", name, adminTarget());
    }
    return this;
  }

  private void watchReadiness() {
    try {
      while (!closed.get()) {
        Thread.sleep(READINESS_PERIOD_MILLIS);
        checkReadiness();
      }
    } catch (InterruptedException e) {
      // The server is closing.
      Thread.currentThread().interrupt();
    }
  }

  private void checkReadiness() {
    List<String> unready = unready();
    boolean ready = unready.isEmpty();
    if (closed.get() || (announced && ready == serving)) {
      return;
    }
    announced = true;
    serving = ready;
    serviceNames.forEach(
        service ->
            health.setStatus(service, ready ? ServingStatus.SERVING : ServingStatus.NOT_SERVING));
    if (ready) {
      log.info("{} is SERVING", name);
    } else {
      log.warn("{} is NOT_SERVING; not ready: {}", name, unready);
    }
  }

  /** Names of the readiness checks that do not hold. */
  public List<String> unready() {
    List<String> unready = new ArrayList<>();
    readiness.forEach(
        (check, holds) -> {
          try {
            if (!holds.getAsBoolean()) {
              unready.add(check);
            }
          } catch (RuntimeException e) {
            log.debug("readiness check {} failed", check, e);
            unready.add(check);
          }
        });
    return unready;
  }

  /** Whether health reports SERVING. */
  public boolean serving() {
    return serving && !closed.get();
  }

  /** The TCP port; −1 for a server in process. */
  public int port() {
    return server.getPort();
  }

  /** What {@link ClientChannels#open(String)} takes to reach this server. */
  public String target() {
    return inProcessName == null
        ? config.host() + ":" + server.getPort()
        : "in-process:" + inProcessName;
  }

  /** As {@link #target}, for what few may do: the server's own where it has no other. */
  public String adminTarget() {
    return admin == null ? target() : config.admin().host() + ":" + admin.getPort();
  }

  /** The TCP port of health in plaintext; −1 where there is none of its own. */
  public int healthPort() {
    return probes == null ? -1 : probes.getPort();
  }

  /** Those that it consists of, its own last. */
  private List<Server> servers() {
    return Stream.of(probes, admin, server).filter(Objects::nonNull).toList();
  }

  /** Reads certificates that have changed, without waiting until that is due. */
  void reloadCertificates() {
    if (tls != null) {
      tls.reload();
    }
  }

  /** How many exceptions no mapping rule knew since the start: 0 unless there is a defect. */
  public long unmappedExceptions() {
    return mapper.fallbacks();
  }

  public void awaitTermination() throws InterruptedException {
    server.awaitTermination();
  }

  @Override
  public void close() {
    if (!closed.compareAndSet(false, true)) {
      return;
    }
    health.enterTerminalState();
    readinessThread.interrupt();
    try {
      Thread.sleep(config.propagationDelay());
      servers().forEach(Server::shutdown);
      endless.end();
      long end = System.nanoTime() + config.drainTimeout().toNanos();
      for (Server one : servers()) {
        if (!one.awaitTermination(end - System.nanoTime(), TimeUnit.NANOSECONDS)) {
          log.warn("{}: calls still in progress after {}", name, config.drainTimeout());
          one.shutdownNow();
          one.awaitTermination(1, TimeUnit.SECONDS);
        }
      }
    } catch (InterruptedException e) {
      servers().forEach(Server::shutdownNow);
      Thread.currentThread().interrupt();
    }
    if (tls != null) {
      tls.close();
    }
    if (jwt != null) {
      jwt.close();
    }
    callThreads.shutdown();
    for (AutoCloseable closeable : closeables.reversed()) {
      try {
        closeable.close();
      } catch (Exception e) {
        log.warn("{}: {} did not close", name, closeable, e);
      }
    }
    servingGauge.close();
    limit.close();
    log.info("{} stopped", name);
  }

  /** What a server is made of. */
  public static final class Builder {
    private final String name;
    private final ServerConfig config;
    private final List<BindableService> services = new ArrayList<>();
    private final List<BindableService> adminServices = new ArrayList<>();
    private final Map<String, BooleanSupplier> readiness = new LinkedHashMap<>();
    private final Map<Class<? extends Throwable>, Function<Throwable, RequestException>>
        exceptionRules = new LinkedHashMap<>();
    private final List<AutoCloseable> closeables = new ArrayList<>();
    private final List<Announcements> announcements = new ArrayList<>();
    private final Set<String> neverBlocking = new HashSet<>();
    private final Set<String> alwaysLetIn = new HashSet<>();
    private final Set<String> endless =
        new HashSet<>(Set.of(HealthGrpc.getWatchMethod().getFullMethodName()));
    private OpenTelemetry openTelemetry = OpenTelemetry.noop();

    private Builder(String name, ServerConfig config) {
      this.name = Objects.requireNonNull(name, "name");
      this.config = Objects.requireNonNull(config, "config");
    }

    public Builder service(BindableService service) {
      services.add(Objects.requireNonNull(service, "service"));
      return this;
    }

    /**
     * A service for whoever operates the server, at the admin address alone where there is one: its
     * calls are few, may be long, and say nothing of the server's load.
     */
    public Builder adminService(BindableService service) {
      adminServices.add(Objects.requireNonNull(service, "service"));
      return this;
    }

    private List<BindableService> all() {
      List<BindableService> all = new ArrayList<>(services);
      all.addAll(adminServices);
      return all;
    }

    /**
     * Methods by full name whose calls run on the transport's threads: each takes microseconds and
     * waits for nothing, and what it answers comes from another thread.
     */
    public Builder neverBlocking(Set<String> methods) {
      neverBlocking.addAll(methods);
      return this;
    }

    /**
     * Methods by full name whose calls no limit of calls or of a caller's rate keeps out: by them
     * callers tell a server that is full from one that is gone. They must cost next to nothing.
     */
    public Builder alwaysLetIn(Set<String> methods) {
      alwaysLetIn.addAll(methods);
      return this;
    }

    /**
     * Methods by full name whose calls send to their callers for as long as these like, and take
     * nothing more from them: they end with OK when the server drains.
     */
    public Builder endless(Set<String> methods) {
      endless.addAll(methods);
      return this;
    }

    /** A named condition for SERVING; asked twice a second, so it must be cheap. */
    public Builder readiness(String check, BooleanSupplier holds) {
      readiness.put(check, holds);
      return this;
    }

    /** What health answers for beside the services; may change while the server runs. */
    public Builder announcing(Announcements announced) {
      announcements.add(announced);
      return this;
    }

    /** How a domain's own exception is told to a caller. */
    public <E extends Throwable> Builder exceptionRule(
        Class<E> type, Function<? super E, RequestException> rule) {
      exceptionRules.put(type, thrown -> rule.apply(type.cast(thrown)));
      return this;
    }

    /** Closed after the last call has ended; the last one added first. */
    public Builder closing(AutoCloseable closeable) {
      closeables.add(closeable);
      return this;
    }

    public Builder openTelemetry(OpenTelemetry telemetry) {
      this.openTelemetry = telemetry;
      return this;
    }

    /** A server on the configuration's TCP address. */
    public EspalierServer build() {
      return new EspalierServer(this, null);
    }

    /** A server inside this process, found under {@code inProcessName}. */
    public EspalierServer buildInProcess(String inProcessName) {
      return new EspalierServer(this, Objects.requireNonNull(inProcessName, "inProcessName"));
    }
  }
}

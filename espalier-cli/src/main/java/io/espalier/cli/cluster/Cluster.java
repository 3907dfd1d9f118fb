package io.espalier.cli.cluster;

import io.espalier.catalog.CatalogComponent;
import io.espalier.router.StageChannels;
import io.espalier.server.Caller;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.users.UserStateStore;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The servers in this process on one engine. Stages and router talk over the in-process transport,
 * the same services and channels as between processes.
 */
public final class Cluster implements AutoCloseable {
  private static final AtomicLong NUMBERS = new AtomicLong();
  private static final int MESSAGE_BYTES = 4 << 20;

  private final StageServers servers;
  private final Deque<AutoCloseable> parts = new ArrayDeque<>();
  private final Caller self;
  private final StageChannels stages;
  private final EspalierServer router;
  private final ManagedChannel routerChannel;
  private String catalogTarget = "";

  private Cluster(StageServers servers, Supplier<UserStateStore> users, @Nullable Listening tcp)
      throws IOException {
    String name = "espalier-" + ProcessHandle.current().pid() + "-" + NUMBERS.incrementAndGet();
    this.servers = servers;
    this.self = tcp == null ? Caller.plain() : tcp.self();
    try {
      LoadedModels models = servers.engine(servers.runner());
      parts.push(models);
      BundleAdmin admin = servers.bundleAdmin();
      AtomicReference<UserStateStore> opened = new AtomicReference<>();
      AtomicReference<@Nullable ManagedChannel> changes = new AtomicReference<>();
      SideBySide.forEach(
          List.<Runnable>of(
              () -> changes.set(startStages(name, tcp, models, admin)),
              () -> opened.set(users.get())),
          Runnable::run);
      UserStateStore store = opened.get();
      ManagedChannel catalog = changes.get();
      this.stages =
          new StageChannels(
              open("in-process:" + name + "-rewrite"),
              open("in-process:" + name + "-retrieval"),
              open("in-process:" + name + "-ranking"));
      if (tcp == null) {
        this.router =
            servers
                .router(Stage.ROUTER.config(), stages, store, null)
                .adminService(new BundleAdminService(admin))
                .buildInProcess(name + "-router");
      } else {
        servers.warmUp(stages);
        this.router =
            servers
                .router(tcp.router(), stages, store, catalog)
                .adminService(new BundleAdminService(admin))
                .build();
      }
      start(router);
      this.routerChannel = open(router.target());
    } catch (RuntimeException | IOException e) {
      try {
        close();
      } catch (IllegalStateException closing) {
        e.addSuppressed(closing);
      }
      throw e;
    }
  }

  /** The stages, and before them the catalogue's writer, to which it returns a channel. */
  private @Nullable ManagedChannel startStages(
      String name, @Nullable Listening tcp, LoadedModels models, BundleAdmin admin) {
    // The engine is shared: it closes after all stages.
    AutoCloseable nothing = () -> {};
    start(
        servers
            .rewrite(Stage.REWRITE.config(), models, nothing, admin)
            .buildInProcess(name + "-rewrite"));
    ManagedChannel catalog = null;
    if (tcp != null) {
      EspalierServer writer =
          servers.catalog(tcp.catalog(), tcp.catalogLog(), models, nothing, admin).build();
      start(writer);
      this.catalogTarget = writer.target();
      catalog = open(writer.target(), CatalogComponent.MAX_MESSAGE_BYTES);
    }
    start(
        servers
            .retrieval(Stage.RETRIEVAL.config(), models, nothing, catalog, admin)
            .buildInProcess(name + "-retrieval"));
    start(
        servers
            .ranking(Stage.RANKING.config(), models, nothing, admin)
            .buildInProcess(name + "-ranking"));
    return catalog;
  }

  /**
   * How a cluster can be reached.
   *
   * @param router where the router listens
   * @param catalog where the catalogue's writer listens
   * @param catalogLog where the catalogue's log is: a folder, or an address of Kafka's
   * @param self who it is to its own servers; the caller's to close
   */
  public record Listening(
      ServerConfig router, ServerConfig catalog, String catalogLog, Caller self) {
    /** Without credentials. */
    public Listening(ServerConfig router, ServerConfig catalog, String catalogLog) {
      this(router, catalog, catalogLog, Caller.plain());
    }
  }

  /**
   * Starts the cluster with its router and the catalogue's writer on TCP addresses.
   *
   * @param users opens the users' events, while the stages start
   */
  public static Cluster listening(
      StageServers servers, Supplier<UserStateStore> users, Listening tcp) {
    return start(servers, users, tcp);
  }

  /** Starts the cluster for this process alone, over the catalogue as the folder has it. */
  public static Cluster inProcess(StageServers servers, UserStateStore users) {
    return start(servers, () -> users, null);
  }

  private static Cluster start(
      StageServers servers, Supplier<UserStateStore> users, @Nullable Listening tcp) {
    try {
      return new Cluster(servers, users, tcp);
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  private void start(EspalierServer server) {
    synchronized (parts) {
      parts.push(server);
    }
    try {
      server.start();
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  private ManagedChannel open(String target) {
    return open(target, MESSAGE_BYTES);
  }

  private ManagedChannel open(String target, int maxMessageBytes) {
    ManagedChannel channel = servers.open(target, self, maxMessageBytes);
    parts.push(channel::shutdownNow);
    return channel;
  }

  /** To the router. */
  public ManagedChannel router() {
    return routerChannel;
  }

  /** To the stages. */
  public StageChannels stages() {
    return stages;
  }

  /** Where the catalogue's writer listens; empty when there is none. */
  public String catalogTarget() {
    return catalogTarget;
  }

  /** Where the router listens. */
  public String target() {
    return router.target();
  }

  /** Waits until the router has stopped. */
  public void awaitTermination() throws InterruptedException {
    router.awaitTermination();
  }

  /** Stops everything, the last started first. */
  @Override
  public synchronized void close() {
    IllegalStateException failure = null;
    while (!parts.isEmpty()) {
      try {
        parts.pop().close();
      } catch (Exception e) {
        if (failure == null) {
          failure = new IllegalStateException("the cluster did not stop: " + e, e);
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}

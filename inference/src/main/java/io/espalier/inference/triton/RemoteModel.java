package io.espalier.inference.triton;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelMeters;
import io.espalier.inference.ModelMetrics;
import io.espalier.inference.oip.v2.ModelConfig;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** A model of the servers: its queue, and what is known of it at each of them. */
final class RemoteModel {
  /** What is known of it at one server. */
  enum Presence {
    /** The server is asked. */
    ASKED,
    /** The server loads it, as it was told to. */
    LOADING,
    /** It takes calls. */
    READY,
    /** The server does not have it. */
    ABSENT
  }

  /** What is known since one question; an answer to an older one is passed over. */
  static final class Known {
    Presence presence = Presence.ASKED;
    // Of the last time that the server did not have it.
    @Nullable ModelException why;
    // When the server was last told to load it; 0 where it was not.
    long givenNanos;
  }

  private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final String name;
  private final SendQueue<Server> queue;
  private final ModelMetrics metrics;
  private final CompletableFuture<Void> decided = new CompletableFuture<>();
  private final AtomicLong lookedNanos = new AtomicLong(System.nanoTime());
  private volatile @Nullable ModelConfig config;
  private volatile @Nullable ModelException refusal;
  // Of the control thread.
  private final Map<Server, Known> known = new HashMap<>();
  private final List<CompletableFuture<Void>> loads = new ArrayList<>();
  private int lostLoads;

  /**
   * A model of which nothing is known.
   *
   * @param sender sends its calls, in the context of their request
   */
  RemoteModel(String name, ModelMeters meters, Sender sender) {
    this.name = name;
    this.queue =
        new SendQueue<>(
            name,
            Server::calls,
            (server, sent) -> sent.request().run(() -> sender.send(this, server, sent)));
    this.metrics = meters.of(name, queue::size);
  }

  /** Sends a call to a server. */
  interface Sender {
    void send(RemoteModel model, Server server, SentCall call);
  }

  String name() {
    return name;
  }

  SendQueue<Server> queue() {
    return queue;
  }

  ModelMetrics metrics() {
    return metrics;
  }

  /** Done once it is known whether a server has it. */
  CompletableFuture<Void> decided() {
    return decided;
  }

  /** As the last server that had it says; null where none had. */
  @Nullable ModelConfig config() {
    return config;
  }

  /** Why no server takes its calls; null where one does, or may. */
  @Nullable ModelException refusal() {
    return refusal;
  }

  void served(ModelConfig by) {
    config = by;
    refusal = null;
    decided.complete(null);
  }

  void refused(ModelException why) {
    refusal = why;
    decided.complete(null);
  }

  /** What is known of it, by server; of the control thread. */
  Map<Server, Known> known() {
    return known;
  }

  /** Whether its servers may be asked again; true once a second. */
  boolean mayBeLookedFor() {
    long now = System.nanoTime();
    long last = lookedNanos.get();
    return now - last > LOOK_NANOS && lookedNanos.compareAndSet(last, now);
  }

  boolean anywhere(Presence presence) {
    return known.values().stream().anyMatch(at -> at.presence == presence);
  }

  /** Somebody waits until no server is loading it. */
  void awaitsLoad(CompletableFuture<Void> load) {
    if (loads.isEmpty()) {
      lostLoads = 0;
    }
    loads.add(load);
  }

  /** A server was lost while it loaded it; how often that was, for those who wait. */
  int lostLoad() {
    return ++lostLoads;
  }

  /** Those who wait until no server is loading it; of the control thread. */
  List<CompletableFuture<Void>> loads() {
    return loads;
  }
}

package io.espalier.inference.triton;

import io.espalier.inference.ModelException;
import io.espalier.inference.ModelException.Reason;
import io.espalier.inference.oip.v2.ModelConfig;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.triton.RemoteModel.Known;
import io.espalier.inference.triton.RemoteModel.Presence;
import io.espalier.inference.triton.Server.State;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Which server has which model: asks them, gives each of them the models that the runner was told
 * to load, again where it has lost them, and opens and shuts the models' queues accordingly.
 *
 * <p>What it knows it changes on one thread, the control thread; what takes calls is told by the
 * queues alone. A model waits for calls' sake only while it is not known where it is: once no
 * server has it ready, its calls are refused at once.
 */
final class Placement {
  private static final Logger log = LoggerFactory.getLogger(Placement.class);

  private static final long LOOK_SECONDS = 10;
  private static final long AGAIN_MILLIS = 100;
  private static final long SERVER_WAIT_SECONDS = 10;
  private static final Duration GIVE_AGAIN = Duration.ofSeconds(30);
  private static final int MOST_LOST = 2;

  private final ScheduledExecutorService thread;
  private final Function<String, RemoteModel> fresh;
  private final Duration unloadDelay;
  private final Map<String, RemoteModel> models = new ConcurrentHashMap<>();
  // Of the control thread.
  private final Set<Server> servers = new LinkedHashSet<>();
  private final Map<String, RepositoryModelLoadRequest> given = new HashMap<>();
  private String unresolved = "";
  private boolean resolved;

  /**
   * @param thread the control thread
   * @param fresh makes a model of a name
   * @param unloadDelay how long a model that is unloaded stays for others who may still ask it
   */
  Placement(
      ScheduledExecutorService thread, Function<String, RemoteModel> fresh, Duration unloadDelay) {
    this.thread = thread;
    this.fresh = fresh;
    this.unloadDelay = unloadDelay;
    var unused =
        thread.scheduleWithFixedDelay(
            () -> models.values().forEach(this::verify),
            LOOK_SECONDS,
            LOOK_SECONDS,
            TimeUnit.SECONDS);
  }

  /** The model of a name, of which nothing need be known yet; on any thread. */
  RemoteModel model(String name) {
    RemoteModel known = models.get(name);
    if (known != null) {
      return known;
    }
    RemoteModel made = fresh.apply(name);
    RemoteModel other = models.putIfAbsent(name, made);
    if (other != null) {
      made.metrics().close();
      return other;
    }
    thread.execute(() -> look(made));
    return made;
  }

  /** Those that were asked for; on any thread. */
  Collection<RemoteModel> models() {
    return models.values();
  }

  /** Looks for a model that no server had; on any thread. */
  void lookSoon(RemoteModel model) {
    if (models.get(model.name()) == model && model.mayBeLookedFor()) {
      thread.execute(() -> look(model));
    }
  }

  /**
   * Has every server load a model, those that come later too.
   *
   * @return done when those that are there are done; fails where none of them has it then
   */
  CompletableFuture<Void> load(String name, RepositoryModelLoadRequest request) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    thread.execute(
        () -> {
          given.put(name, request);
          RemoteModel model = model(name);
          model.awaitsLoad(done);
          model.known().values().removeIf(at -> at.presence == Presence.ABSENT);
          look(model);
        });
    failUnlessServed(name, List.of(done));
    return done;
  }

  /** Where no server is up, one has some time to be. */
  private void failUnlessServed(String name, List<CompletableFuture<Void>> loads) {
    var unused =
        thread.schedule(
            () -> {
              RemoteModel model = models.get(name);
              boolean waiting = loads.stream().anyMatch(load -> !load.isDone());
              if (model != null && waiting && !isAnyUp()) {
                failLoads(model, refusal(model));
              }
            },
            SERVER_WAIT_SECONDS,
            TimeUnit.SECONDS);
  }

  /** Takes a model out; done when the servers have been told, at once where they are told later. */
  CompletableFuture<Void> unload(String name) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    thread.execute(
        () -> {
          given.remove(name);
          RemoteModel model = models.remove(name);
          if (model != null) {
            model.metrics().close();
          }
          if (unloadDelay.isZero()) {
            tellToUnload(name, done);
            return;
          }
          done.complete(null);
          var unused =
              thread.schedule(
                  () -> {
                    if (!given.containsKey(name)) {
                      tellToUnload(name, new CompletableFuture<>());
                    }
                  },
                  unloadDelay.toMillis(),
                  TimeUnit.MILLISECONDS);
        });
    return done;
  }

  private void tellToUnload(String name, CompletableFuture<Void> done) {
    List<CompletableFuture<?>> told = new ArrayList<>();
    for (Server server : servers) {
      if (server.state() == State.UP) {
        told.add(
            server
                .control()
                .unload(name)
                .exceptionally(
                    error -> {
                      log.debug("{}: {} was not unloaded", server, name, error);
                      return null;
                    }));
      }
    }
    var unused =
        CompletableFuture.allOf(told.toArray(CompletableFuture[]::new))
            .whenComplete((all, error) -> done.complete(null));
  }

  /** A server could not serve a model's call; its place is shut already. On any thread. */
  void failed(RemoteModel model, Server server) {
    thread.execute(
        () -> {
          Known at = model.known().get(server);
          if (server.state() != State.UP || at == null || at.presence != Presence.READY) {
            return;
          }
          // Not at once: it may be on its way out, and has said so.
          Known doubted = new Known();
          doubted.givenNanos = at.givenNanos;
          model.known().put(server, doubted);
          settle(model);
          var unused =
              thread.schedule(
                  () -> {
                    if (model.known().get(server) == doubted) {
                      ask(model, server);
                    }
                  },
                  AGAIN_MILLIS,
                  TimeUnit.MILLISECONDS);
        });
  }

  /** Whether a server answers; on the control thread, as is all that follows. */
  boolean isAnyUp() {
    return servers.stream().anyMatch(server -> server.state() == State.UP);
  }

  Set<Server> servers() {
    return servers;
  }

  void added(Server server) {
    servers.add(server);
    server.start();
  }

  void removed(Server server) {
    servers.remove(server);
    for (RemoteModel model : models.values()) {
      model.known().remove(server);
      model.queue().shut(server);
      settle(model);
    }
    server.close();
  }

  /**
   * The servers' names were looked up.
   *
   * @param failure why some are not known; empty where all are
   */
  void resolved(String failure) {
    resolved = true;
    unresolved = failure;
    models.values().forEach(this::settle);
  }

  /** A server is up, perhaps as another process, or is not. */
  void changed(Server server) {
    if (!servers.contains(server)) {
      return;
    }
    for (RemoteModel model : models.values()) {
      Known before = model.known().remove(server);
      model.queue().shut(server);
      if (before != null && before.presence == Presence.LOADING && server.isLost()) {
        loadLost(model, server);
      }
      if (server.state() == State.UP) {
        ask(model, server);
      } else if (!model.loads().isEmpty()) {
        failUnlessServed(model.name(), List.copyOf(model.loads()));
      }
      settle(model);
    }
  }

  /** A server that was lost while it loaded is given the model again; what kills two is let be. */
  private void loadLost(RemoteModel model, Server server) {
    log.warn("{} was lost while it loaded {}", server, model.name());
    if (model.lostLoad() >= MOST_LOST) {
      failLoads(
          model,
          new ModelException(
              Reason.NOT_READY,
              model.name() + ": not loaded: a server was lost twice while it did"));
    }
  }

  /** Asks each server of which nothing is known. */
  private void look(RemoteModel model) {
    for (Server server : servers) {
      if (server.state() == State.UP && isUnknown(model.known().get(server))) {
        ask(model, server);
      }
    }
    settle(model);
  }

  private static boolean isUnknown(@Nullable Known at) {
    return at == null || at.presence == Presence.ABSENT;
  }

  /** Asks the servers that do not have it again, and whether the others still have it. */
  private void verify(RemoteModel model) {
    look(model);
    model
        .known()
        .forEach(
            (server, at) -> {
              if (at.presence == Presence.READY) {
                var unused =
                    server
                        .control()
                        .isReady(model.name())
                        .thenAccept(
                            ready -> {
                              if (!ready) {
                                model.queue().shut(server);
                                failed(model, server);
                              }
                            });
              }
            });
  }

  private void ask(RemoteModel model, Server server) {
    Known before = model.known().get(server);
    Known asked = new Known();
    if (before != null) {
      asked.givenNanos = before.givenNanos;
      asked.why = before.why;
    }
    model.known().put(server, asked);
    var unused =
        server
            .control()
            .config(model.name())
            .whenComplete(
                (config, error) ->
                    thread.execute(
                        () -> {
                          if (model.known().get(server) != asked) {
                            return;
                          }
                          if (error == null) {
                            ready(model, server, asked, config);
                          } else {
                            notReady(model, server, asked, error);
                          }
                        }));
  }

  private void ready(RemoteModel model, Server server, Known at, ModelConfig config) {
    at.presence = Presence.READY;
    at.why = null;
    // First: who waited for the answer looks at the queue.
    model.queue().open(server, SendLimits.of(config));
    model.served(config);
    settle(model);
  }

  private void notReady(RemoteModel model, Server server, Known at, Throwable error) {
    RepositoryModelLoadRequest load = given.get(model.name());
    if (load != null && StatusReasons.lacksModel(error)) {
      give(model, server, at, load);
      return;
    }
    var unused =
        server
            .control()
            .explain(model.name(), error)
            .thenAccept(why -> thread.execute(() -> absent(model, server, at, asAbsence(why))));
  }

  /** That a question failed says no more than that the model cannot be counted on. */
  private static ModelException asAbsence(ModelException why) {
    return why.reason() == Reason.UNKNOWN_MODEL || why.reason() == Reason.NOT_READY
        ? why
        : new ModelException(Reason.NOT_READY, String.valueOf(why.getMessage()), why);
  }

  private void absent(RemoteModel model, Server server, Known at, ModelException why) {
    if (model.known().get(server) == at) {
      at.presence = Presence.ABSENT;
      at.why = why;
      settle(model);
    }
  }

  private void give(
      RemoteModel model, Server server, Known at, RepositoryModelLoadRequest request) {
    long now = System.nanoTime();
    boolean failedBefore = at.givenNanos != 0 && at.why != null;
    if (failedBefore && model.loads().isEmpty() && now - at.givenNanos < GIVE_AGAIN.toNanos()) {
      at.presence = Presence.ABSENT;
      settle(model);
      return;
    }
    at.presence = Presence.LOADING;
    at.givenNanos = now;
    settle(model);
    var unused =
        server
            .control()
            .load(request)
            .whenComplete(
                (loaded, error) ->
                    thread.execute(
                        () -> {
                          if (model.known().get(server) != at) {
                            return;
                          }
                          if (error == null) {
                            ask(model, server);
                            return;
                          }
                          if (StatusReasons.isOfTheServer(error) && server.isLost()) {
                            // As it is told, soon, by its state.
                            return;
                          }
                          log.warn("{}: {} could not be loaded", server, model.name(), error);
                          // Triton calls a model that does not load an invalid argument.
                          ModelException why = StatusReasons.exception(model.name(), error);
                          absent(
                              model,
                              server,
                              at,
                              new ModelException(
                                  Reason.NOT_READY, "not loaded: " + why.getMessage(), why));
                        }));
  }

  /** Tells the queue, and those who wait for a load, what is known now. */
  private void settle(RemoteModel model) {
    boolean ready = model.anywhere(Presence.READY);
    boolean undecided =
        !resolved
            || model.anywhere(Presence.ASKED)
            || servers.stream().anyMatch(server -> isOpenQuestion(model, server));
    if (!ready && undecided) {
      model.queue().hold();
    } else if (!ready) {
      ModelException why = refusal(model);
      model.refused(why);
      boolean unheardOf = why.reason() == Reason.UNKNOWN_MODEL && !given.containsKey(model.name());
      if (unheardOf && models.remove(model.name(), model)) {
        model.metrics().close();
        model.queue().close(why);
      } else {
        model.queue().refuse(why);
      }
    }
    if (undecided || model.anywhere(Presence.LOADING)) {
      return;
    }
    if (ready) {
      List<CompletableFuture<Void>> loaded = List.copyOf(model.loads());
      model.loads().clear();
      loaded.forEach(load -> load.complete(null));
    } else if (isAnyUp()) {
      failLoads(model, refusal(model));
    }
  }

  private static boolean isOpenQuestion(RemoteModel model, Server server) {
    return switch (server.state()) {
      case UNDECIDED -> true;
      case UP -> !model.known().containsKey(server);
      case DOWN -> false;
    };
  }

  private void failLoads(RemoteModel model, ModelException why) {
    if (model.loads().isEmpty()) {
      return;
    }
    List<CompletableFuture<Void>> failed = List.copyOf(model.loads());
    model.loads().clear();
    given.remove(model.name());
    failed.forEach(load -> load.completeExceptionally(why));
  }

  private ModelException refusal(RemoteModel model) {
    @Nullable ModelException found = null;
    for (Known at : model.known().values()) {
      ModelException why = at.why;
      if (why != null && (found == null || found.reason() == Reason.UNKNOWN_MODEL)) {
        found = why;
      }
    }
    if (model.anywhere(Presence.LOADING)) {
      return new ModelException(
          Reason.NOT_READY, model.name() + ": the servers are given it at present");
    }
    if (found != null) {
      return found;
    }
    return noServer(model.name() + ": no server answers");
  }

  /** That no server answers, with what is known of the reasons. */
  ModelException noServer(String message) {
    List<String> told = new ArrayList<>();
    @Nullable Throwable first = null;
    for (Server server : servers) {
      Throwable failure = server.failure();
      told.add(failure == null ? server.toString() : server + ": " + StatusReasons.words(failure));
      first = first == null ? failure : first;
    }
    String all =
        message + " (" + (unresolved.isEmpty() ? String.join(", ", told) : unresolved) + ")";
    return first == null
        ? new ModelException(Reason.NOT_READY, all)
        : new ModelException(Reason.NOT_READY, all, first);
  }

  /** Fails what waits, and lets go of the servers; on any thread. */
  void close(Function<String, ModelException> why) {
    models.forEach((name, model) -> model.queue().close(why.apply(name)));
    thread.execute(
        () -> {
          models.forEach(
              (name, model) -> {
                failLoads(model, why.apply(name));
                model.metrics().close();
              });
          models.clear();
          servers.forEach(Server::close);
        });
  }
}

package io.espalier.catalog;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.FollowRequest;
import io.espalier.catalog.v1.FollowResponse;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableLongGauge;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Follows a catalogue's log over a channel, and comes back after each failure. */
public final class CatalogFollower implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(CatalogFollower.class);
  // Attempts begin at least so far apart: what was followed for longer is asked for again at once.
  private static final Duration PAUSE = Duration.ofMillis(200);
  // Changes are taken for at most a quarter of the time while more come, and wait no longer. Nor
  // are they taken one by one: each batch makes a catalogue whose filters requests find anew.
  private static final int REST = 3;
  private static final Duration LEAST_REST = Duration.ofMillis(15);
  private static final Duration LONGEST_REST = Duration.ofMillis(50);

  private final Channel channel;
  private final CatalogServiceGrpc.CatalogServiceStub catalogue;
  private final Listener listener;
  private final Silence silence;
  private final Context.CancellableContext context = Context.ROOT.withCancellation();
  private final Thread thread;
  private volatile LogPlace applied;
  // What was begun with: a snapshot, or the first items.
  private LogPlace begun;
  private volatile long end = -1;
  // When the catalogue was last heard of, and what it said taken.
  private volatile long heard = System.nanoTime();
  // Since when the listener works, which is no silence.
  private volatile @Nullable Long working;
  // What failed last is said once; that a connection came to its end is not, if the next holds.
  private Status.Code lastFailure = Status.Code.OK;
  private int failures;
  private @Nullable ObservableLongGauge lagGauge;

  /**
   * How long nothing may be heard of a catalogue, which says something every second.
   *
   * @param tolerated beyond it what is known no longer counts as up to date
   * @param most beyond it the call is given up for another over a new connection; longer than a
   *     writer waits for its log
   */
  record Silence(Duration tolerated, Duration most) {
    static final Silence DEFAULT = new Silence(Duration.ofSeconds(3), Duration.ofSeconds(12));
  }

  /** What is told of changes; by one thread. */
  public interface Listener {
    /** Takes changes, in order, at least one. */
    void changed(List<LoggedChange> changes);

    /** The newest snapshot that is published is of this offset; told again and again. */
    void published(long offset);

    /**
     * Goes on from a snapshot, since the log no longer tells the way there, or lost what was
     * followed.
     *
     * @param least the least offset that it must be of; lower than what is known where that is lost
     * @return its place; empty when there is none, and nothing changed
     */
    Optional<LogPlace> restart(long least);
  }

  private CatalogFollower(Channel channel, LogPlace after, Listener listener, Silence silence) {
    this.silence = silence;
    this.channel = channel;
    this.catalogue = CatalogServiceGrpc.newStub(channel);
    this.applied = after;
    this.begun = after;
    this.listener = listener;
    this.thread =
        // A batch of changes takes milliseconds of a core, which calls' threads need not wait for.
        Thread.ofPlatform().daemon().name("catalog-follower").unstarted(context.wrap(this::run));
  }

  /**
   * Starts to follow.
   *
   * @param after the last change that is known
   */
  public static CatalogFollower start(Channel channel, LogPlace after, Listener listener) {
    return start(channel, after, listener, Silence.DEFAULT);
  }

  static CatalogFollower start(
      Channel channel, LogPlace after, Listener listener, Silence silence) {
    CatalogFollower follower = new CatalogFollower(channel, after, listener, silence);
    follower.thread.start();
    return follower;
  }

  private void run() {
    while (!context.isCancelled()) {
      long start = System.nanoTime();
      try {
        follow();
      } catch (StatusRuntimeException e) {
        if (begunAnew(e.getStatus())) {
          continue;
        }
        lost(e.getStatus());
      } catch (InterruptedException e) {
        return;
      } catch (RuntimeException | Error e) {
        // Even where memory is short the next attempt may fare better; nobody else starts one.
        log.error("the catalogue cannot be followed beyond offset {}", applied.offset(), e);
      }
      try {
        TimeUnit.NANOSECONDS.sleep(PAUSE.toNanos() - (System.nanoTime() - start));
      } catch (InterruptedException e) {
        return;
      }
      // By itself a channel waits ever longer, up to two minutes, for a server that is back.
      if (channel instanceof ManagedChannel managed) {
        managed.resetConnectBackoff();
      }
    }
  }

  private boolean begunAnew(Status refusal) {
    return switch (refusal.getCode()) {
      case OUT_OF_RANGE -> restarted(applied.offset() + 1);
      case ABORTED -> {
        // Until the log has said how far it is: not up to date.
        end = -1;
        if (lastFailure != Status.Code.ABORTED) {
          log.error(
              "the log lost changes that were followed, offset {} among them: what is known is"
                  + " given up for a snapshot; where there is none, start this server anew",
              applied);
        }
        // A snapshot that the log does not have either is not begun with twice.
        yield restarted(applied.equals(begun) ? applied.offset() + 1 : 0);
      }
      default -> false;
    };
  }

  private void lost(Status status) {
    if (context.isCancelled()) {
      return;
    }
    failures++;
    Status.Code code = status.getCode();
    // Servers end connections that came of age.
    if (code != lastFailure && (failures > 1 || code != Status.Code.UNAVAILABLE)) {
      log.warn("the catalogue is lost at offset {}: {}", applied.offset(), status);
      lastFailure = code;
    }
    if (code == Status.Code.DEADLINE_EXCEEDED && channel instanceof ManagedChannel managed) {
      // What was silent so long may be gone without the connection's knowing it.
      managed.enterIdle();
    }
  }

  private void follow() throws InterruptedException {
    FollowStream stream = new FollowStream();
    Context.CancellableContext call = Context.current().withCancellation();
    try {
      call.run(
          () ->
              catalogue.follow(
                  FollowRequest.newBuilder()
                      .setAfterOffset(applied.offset())
                      .setAfterEpoch(applied.epoch())
                      .build(),
                  stream));
      List<FollowResponse> responses = stream.take(silence.most());
      while (!responses.isEmpty()) {
        long start = System.nanoTime();
        working = start;
        try {
          if (!take(responses)) {
            return;
          }
          heard = System.nanoTime();
        } finally {
          working = null;
        }
        rest(System.nanoTime() - start);
        responses = stream.take(silence.most());
      }
    } finally {
      call.cancel(null);
    }
  }

  private static void rest(long worked) throws InterruptedException {
    TimeUnit.NANOSECONDS.sleep(
        Math.clamp(worked * REST, LEAST_REST.toNanos(), LONGEST_REST.toNanos()));
  }

  /** Takes what has come, at once: a batch costs what the whole delta does. */
  private boolean take(List<FollowResponse> responses) {
    end = responses.getLast().getEndOffset();
    if (!handOn(responses.stream().flatMap(r -> r.getChangesList().stream()).toList())) {
      return false;
    }
    failures = 0;
    lastFailure = Status.Code.OK;
    long snapshot = responses.getLast().getSnapshotOffset();
    if (snapshot > 0) {
      listener.published(snapshot);
    }
    return true;
  }

  /** Hands changes on; false when what follows has to be asked for anew. */
  private boolean handOn(List<Change> messages) {
    List<Change> changes = new ArrayList<>(messages.size());
    for (Change message : messages) {
      if (message.hasRolledBack()) {
        hand(changes);
        changes.clear();
        // Its snapshot is there, or is about to be.
        if (!restarted(message.getOffset()) || applied.offset() != message.getOffset()) {
          return false;
        }
      } else {
        changes.add(message);
      }
    }
    hand(changes);
    return true;
  }

  private void hand(List<Change> changes) {
    if (!changes.isEmpty()) {
      listener.changed(
          changes.stream()
              .map(change -> new LoggedChange(change.getOffset(), ChangeMessages.read(change)))
              .toList());
      applied = LogPlace.of(changes.getLast());
    }
  }

  private boolean restarted(long least) {
    try {
      Optional<LogPlace> snapshot = listener.restart(least);
      if (snapshot.isPresent()) {
        LogPlace place = snapshot.get();
        log.info(
            "followed from the snapshot of offset {} on, after {}",
            place.offset(),
            applied.offset());
        applied = place;
        begun = place;
        return true;
      }
    } catch (RuntimeException e) {
      log.error("no snapshot of offset {} or later can be used", least, e);
    }
    return false;
  }

  /** Offsets between the log's end, as it was last heard of, and what was taken; −1 at first. */
  public long lag() {
    long known = end;
    return known < 0 ? -1 : Math.max(0, known - applied.offset());
  }

  /** Tells how far behind it is, until it is closed. */
  public void observe(Meter meter, String follower) {
    Attributes who = Attributes.of(AttributeKey.stringKey("follower"), follower);
    lagGauge =
        meter
            .gaugeBuilder("espalier.catalog.lag")
            .ofLongs()
            .setDescription(
                "Changes between the log's end and what was taken; -1 before any was heard.")
            .buildWithCallback(gauge -> gauge.record(lag(), who));
  }

  /**
   * Whether the log is being followed, at most so many offsets behind. For the length of a
   * tolerated silence it still is when the connection is lost.
   */
  public boolean isWithin(long maxLag) {
    long lag = lag();
    Long since = working;
    long silent = (since == null ? System.nanoTime() : since) - heard;
    return lag >= 0 && lag <= maxLag && silent <= silence.tolerated().toNanos();
  }

  @Override
  public void close() {
    if (lagGauge != null) {
      lagGauge.close();
    }
    context.cancel(null);
    thread.interrupt();
    try {
      thread.join(Duration.ofSeconds(5));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}

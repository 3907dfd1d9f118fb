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
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Follows a catalogue's log over a channel, and comes back after each failure. */
public final class CatalogFollower implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(CatalogFollower.class);
  private static final Duration PAUSE = Duration.ofMillis(200);

  private final Channel channel;
  private final CatalogServiceGrpc.CatalogServiceBlockingStub catalogue;
  private final Listener listener;
  private final Context.CancellableContext context = Context.ROOT.withCancellation();
  private final Thread thread;
  private volatile long applied;
  private volatile long end = -1;
  private volatile boolean connected;
  // What failed last is said once.
  private Status.Code lastFailure = Status.Code.OK;

  /** What is told of changes; by one thread. */
  public interface Listener {
    /** Takes changes, in order, at least one. */
    void changed(List<LoggedChange> changes);

    /** The newest snapshot that is published is of this offset; told again and again. */
    void published(long offset);

    /**
     * Goes on from a snapshot, since the log no longer tells the way there.
     *
     * @param least the least offset that it must be of
     * @return its offset; −1 when there is none, and nothing changed
     */
    long restart(long least);
  }

  private CatalogFollower(Channel channel, long afterOffset, Listener listener) {
    this.channel = channel;
    this.catalogue = CatalogServiceGrpc.newBlockingStub(channel);
    this.applied = afterOffset;
    this.listener = listener;
    this.thread = Thread.ofVirtual().name("catalog-follower").unstarted(context.wrap(this::run));
  }

  /**
   * Starts to follow.
   *
   * @param afterOffset the last offset that is known
   */
  public static CatalogFollower start(Channel channel, long afterOffset, Listener listener) {
    CatalogFollower follower = new CatalogFollower(channel, afterOffset, listener);
    follower.thread.start();
    return follower;
  }

  private void run() {
    while (!context.isCancelled()) {
      try {
        follow();
      } catch (StatusRuntimeException e) {
        if (e.getStatus().getCode() == Status.Code.OUT_OF_RANGE && restarted(applied + 1)) {
          continue;
        }
        if (e.getStatus().getCode() != lastFailure && !context.isCancelled()) {
          log.warn("the catalogue is lost at offset {}: {}", applied, e.getStatus());
        }
        lastFailure = e.getStatus().getCode();
      } catch (RuntimeException e) {
        log.error("the catalogue cannot be followed beyond offset {}", applied, e);
      }
      connected = false;
      try {
        Thread.sleep(PAUSE);
      } catch (InterruptedException e) {
        return;
      }
      // By itself a channel waits ever longer, up to two minutes, for a server that is back.
      if (channel instanceof ManagedChannel managed) {
        managed.resetConnectBackoff();
      }
    }
  }

  private void follow() {
    Iterator<FollowResponse> responses =
        catalogue.follow(FollowRequest.newBuilder().setAfterOffset(applied).build());
    while (responses.hasNext()) {
      FollowResponse response = responses.next();
      end = response.getEndOffset();
      if (!take(response.getChangesList())) {
        return;
      }
      connected = true;
      lastFailure = Status.Code.OK;
      if (response.getSnapshotOffset() > 0) {
        listener.published(response.getSnapshotOffset());
      }
    }
  }

  /** Hands changes on; false when what follows has to be asked for anew. */
  private boolean take(List<Change> messages) {
    List<LoggedChange> changes = new ArrayList<>(messages.size());
    for (Change message : messages) {
      if (message.hasRolledBack()) {
        hand(changes);
        changes.clear();
        // Its snapshot is there, or is about to be.
        if (!restarted(message.getOffset()) || applied != message.getOffset()) {
          return false;
        }
      } else {
        changes.add(new LoggedChange(message.getOffset(), ChangeMessages.read(message)));
      }
    }
    hand(changes);
    return true;
  }

  private void hand(List<LoggedChange> changes) {
    if (!changes.isEmpty()) {
      listener.changed(changes);
      applied = changes.getLast().offset();
    }
  }

  private boolean restarted(long least) {
    try {
      long offset = listener.restart(least);
      if (offset >= least) {
        log.info("followed from the snapshot of offset {} on, after {}", offset, applied);
        applied = offset;
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
    return known < 0 ? -1 : Math.max(0, known - applied);
  }

  /** Whether the log is being followed, at most so many offsets behind. */
  public boolean isWithin(long maxLag) {
    long lag = lag();
    return connected && lag >= 0 && lag <= maxLag;
  }

  @Override
  public void close() {
    context.cancel(null);
    thread.interrupt();
    try {
      thread.join(Duration.ofSeconds(5));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}

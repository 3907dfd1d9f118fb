package io.espalier.inference.triton;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One server: the connection to it, whether it answers, and how much is there.
 *
 * <p>A lost connection is made again within a second. A server that keeps its connection and does
 * not answer is found by asking it once a second whether it lives, and at once when calls expire
 * there one after another: gRPC's own pings would be too seldom for it, as Triton forbids more. So
 * a connection that lives is never silent for long enough to be pinged. What is said of its state
 * is said on the control thread.
 */
final class Server {
  private static final Logger log = LoggerFactory.getLogger(Server.class);

  /** What is known of a server. */
  enum State {
    /** It is being connected to, or asked after a doubt: soon more will be known. */
    UNDECIDED,
    /** It answers. */
    UP,
    /** It does not. */
    DOWN
  }

  private static final int TICK_MILLIS = 1000;
  private static final int MOST_MISSED = 2;
  // Calls that expire one after another without an answer between them.
  private static final int DOUBT = 8;
  private static final int DRAIN_SECONDS = 10;

  private final String name;
  private final ManagedChannel channel;
  private final ServerControl control;
  private final ScheduledExecutorService thread;
  private final Consumer<Server> changed;
  private final AtomicInteger calls = new AtomicInteger();
  private final AtomicInteger expiredInARow = new AtomicInteger();
  private volatile State state = State.UNDECIDED;
  // Of the control thread.
  private ConnectivityState connection = ConnectivityState.IDLE;
  private long undecidedSince = System.nanoTime();
  private @Nullable Future<?> ticks;
  private @Nullable Throwable failure;
  private boolean asking;
  private int missed;
  private boolean closed;

  /**
   * A server that is connected to once it is started.
   *
   * @param thread the control thread
   * @param changed hears, on that thread, of each state, also where it is the one before: a server
   *     that is up again may be another process
   */
  Server(
      String name,
      ManagedChannel channel,
      ScheduledExecutorService thread,
      Consumer<Server> changed) {
    this.name = name;
    this.channel = channel;
    this.control = new ServerControl(channel);
    this.thread = thread;
    this.changed = changed;
  }

  /** Connects; called on the control thread, as is all that is not said to be otherwise. */
  void start() {
    watch();
    ticks =
        thread.scheduleWithFixedDelay(this::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
  }

  ServerControl control() {
    return control;
  }

  ManagedChannel channel() {
    return channel;
  }

  /** Why it could not be connected to lately; null where it could. */
  @Nullable Throwable failure() {
    return failure;
  }

  /** On any thread. */
  State state() {
    return state;
  }

  /** Whether the connection is gone, which its state may be about to tell; on any thread. */
  boolean isLost() {
    return channel.getState(false) != ConnectivityState.READY;
  }

  /** Number of calls that are there, over all models; on any thread. */
  int calls() {
    return calls.get();
  }

  /** A call goes there; on any thread. */
  void begin() {
    calls.incrementAndGet();
  }

  /**
   * A call has ended; on any thread.
   *
   * @param expired whether its deadline passed there
   */
  void end(boolean expired) {
    calls.decrementAndGet();
    if (!expired) {
      expiredInARow.set(0);
    } else if (expiredInARow.incrementAndGet() == DOUBT) {
      thread.execute(this::doubt);
    }
  }

  private void watch() {
    if (closed) {
      return;
    }
    connection = channel.getState(true);
    channel.notifyWhenStateChanged(connection, () -> thread.execute(this::watch));
    switch (connection) {
      case READY -> {
        missed = 0;
        expiredInARow.set(0);
        failure = null;
        become(State.UP);
      }
      case IDLE, CONNECTING -> {
        // Whoever was down stays so until it is connected to.
        if (state == State.UP) {
          become(State.UNDECIDED);
        }
      }
      case TRANSIENT_FAILURE -> {
        become(State.DOWN);
        askWhy();
      }
      case SHUTDOWN -> {}
    }
  }

  /** The state of a channel does not say why it is lost; the status of a call does. */
  private void askWhy() {
    var unused =
        control
            .isLive()
            .whenComplete(
                (live, error) -> {
                  if (error != null) {
                    thread.execute(() -> failed(error));
                  }
                });
  }

  private void failed(Throwable error) {
    if (closed || state != State.DOWN) {
      return;
    }
    String before = failure == null ? "" : StatusReasons.words(failure);
    failure = error;
    String now = StatusReasons.words(error);
    if (!now.equals(before)) {
      log.warn("{} cannot be connected to: {}", this, now);
      changed.accept(this);
    }
  }

  private void become(State next) {
    if (state != next) {
      log.info("{} is {}", this, next);
    }
    if (next == State.UNDECIDED && state != State.UNDECIDED) {
      undecidedSince = System.nanoTime();
    }
    state = next;
    changed.accept(this);
  }

  private void tick() {
    if (closed) {
      return;
    }
    if (connection == ConnectivityState.TRANSIENT_FAILURE) {
      // gRPC comes to wait two minutes between its tries.
      channel.resetConnectBackoff();
      // The reason may be another by now: a port that nobody had is a server that is not trusted.
      askWhy();
    } else if (connection == ConnectivityState.READY) {
      ask();
    } else if (state == State.UNDECIDED
        && System.nanoTime() - undecidedSince > TimeUnit.MILLISECONDS.toNanos(TICK_MILLIS)) {
      become(State.DOWN);
    }
  }

  private void doubt() {
    if (!closed && connection == ConnectivityState.READY && state == State.UP) {
      missed = MOST_MISSED - 1;
      become(State.UNDECIDED);
      ask();
    }
  }

  private void ask() {
    if (asking) {
      return;
    }
    asking = true;
    var unused =
        control
            .isLive()
            .whenComplete(
                (live, error) -> {
                  boolean lives = error == null ? live : StatusReasons.isTooBusy(error);
                  thread.execute(() -> answered(lives));
                });
  }

  private void answered(boolean live) {
    asking = false;
    if (closed || connection != ConnectivityState.READY) {
      return;
    }
    if (live) {
      missed = 0;
      expiredInARow.set(0);
      if (state != State.UP) {
        become(State.UP);
      }
    } else if (++missed >= MOST_MISSED && state != State.DOWN) {
      become(State.DOWN);
      // The connection may be what is dead: another is tried, and is up when the server greets.
      channel.enterIdle();
    }
  }

  /** Sends it no more; what is there may still end. */
  void close() {
    closed = true;
    if (ticks != null) {
      ticks.cancel(false);
    }
    channel.shutdown();
    var unused =
        thread.schedule(
            () -> {
              channel.shutdownNow();
            },
            DRAIN_SECONDS,
            TimeUnit.SECONDS);
  }

  @Override
  public String toString() {
    return name;
  }
}

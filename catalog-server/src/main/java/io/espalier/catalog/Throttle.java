package io.espalier.catalog;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.function.DoubleSupplier;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;

/**
 * Slows work in the background while the machine is busy: it then goes on for a share of the time.
 * Used by one thread.
 */
final class Throttle implements Runnable {
  private static final double BUSY = 0.75;
  private static final long SLICE_NANOS = Duration.ofMillis(10).toNanos();

  private final double share;
  private final DoubleSupplier load;
  private final LongSupplier clock;
  private final LongConsumer sleep;
  private long resumed;

  /**
   * A throttle.
   *
   * @param share of the time that work goes on while the machine is busy, above 0, at most 1
   * @param load the share of the machine's processors that is in use
   * @param clock in nanoseconds
   * @param sleep for so many nanoseconds
   */
  Throttle(double share, DoubleSupplier load, LongSupplier clock, LongConsumer sleep) {
    this.share = share;
    this.load = load;
    this.clock = clock;
    this.sleep = sleep;
    this.resumed = clock.getAsLong();
  }

  /** A throttle by this machine's load. */
  static Throttle ofMachine(double share) {
    return new Throttle(
        share,
        ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean machine
            ? machine::getCpuLoad
            : () -> 0,
        System::nanoTime,
        Throttle::sleep);
  }

  private static void sleep(long nanos) {
    try {
      Thread.sleep(Duration.ofNanos(nanos));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Work begins: time before this does not count. */
  void begin() {
    resumed = clock.getAsLong();
  }

  /** Called by the work again and again. */
  @Override
  public void run() {
    long worked = clock.getAsLong() - resumed;
    if (worked >= SLICE_NANOS) {
      if (load.getAsDouble() > BUSY) {
        sleep.accept((long) (worked * (1 - share) / share));
      }
      resumed = clock.getAsLong();
    }
  }
}

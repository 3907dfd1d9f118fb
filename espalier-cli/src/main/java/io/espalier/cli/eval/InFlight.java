package io.espalier.cli.eval;

import io.espalier.cli.show.ProgressBar;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Many blocking calls with a bounded number in flight, so that the engine can batch and never
 * queues for long.
 */
final class InFlight {
  private InFlight() {}

  /**
   * Runs {@code call} for 0 to {@code count − 1}; the first failure stops the rest and is thrown.
   */
  static void run(int count, int inFlight, ProgressBar progress, IntConsumer call) {
    Semaphore permits = new Semaphore(inFlight);
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < count && failure.get() == null; i++) {
        permits.acquireUninterruptibly();
        int index = i;
        Future<?> ignored =
            threads.submit(
                () -> {
                  try {
                    call.accept(index);
                    progress.step();
                  } catch (RuntimeException | Error e) {
                    failure.compareAndSet(null, e);
                  } finally {
                    permits.release();
                  }
                });
      }
    }
    Throwable first = failure.get();
    if (first instanceof RuntimeException e) {
      throw e;
    }
    if (first instanceof Error e) {
      throw e;
    }
  }
}

package io.espalier.cli.cluster;

import java.util.Collection;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/** Does one thing for each of some values, several at a time. */
final class SideBySide {
  private SideBySide() {}

  /** On as many threads as the process has processors. */
  static <T> void forEach(Collection<T> values, Consumer<T> work) {
    forEach(values, Runtime.getRuntime().availableProcessors(), work);
  }

  /**
   * Returns when all is done.
   *
   * @param most threads
   * @throws RuntimeException what the first of them that failed threw, once the others have ended
   */
  static <T> void forEach(Collection<T> values, int most, Consumer<T> work) {
    int threads = Math.max(1, Math.min(values.size(), most));
    try (ExecutorService pool = Executors.newFixedThreadPool(threads)) {
      List<? extends Future<?>> started =
          values.stream().map(value -> pool.submit(() -> work.accept(value))).toList();
      for (Future<?> one : started) {
        one.get();
      }
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw failure;
      }
      if (e.getCause() instanceof Error failure) {
        throw failure;
      }
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted", e);
    }
  }
}

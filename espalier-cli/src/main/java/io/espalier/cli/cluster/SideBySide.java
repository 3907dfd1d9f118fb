package io.espalier.cli.cluster;

import java.util.Collection;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/** Does one thing for each of some values, on as many threads as the process has processors. */
final class SideBySide {
  private SideBySide() {}

  /**
   * Returns when all is done.
   *
   * @throws RuntimeException what the first of them that failed threw, once the others have ended
   */
  static <T> void forEach(Collection<T> values, Consumer<T> work) {
    int threads = Math.clamp(values.size(), 1, Runtime.getRuntime().availableProcessors());
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

package io.espalier.inference.embedded;

import io.espalier.inference.ModelCall;
import io.espalier.inference.ModelException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;

/** Keeps one worker of a model busy until it is closed, so that further calls must queue. */
public final class Hold implements AutoCloseable {
  private final CountDownLatch released = new CountDownLatch(1);

  /** Returns when a worker is held: what hangs on a result runs on the worker that made it. */
  public Hold(EmbeddedModelRunner runner, ModelCall call) {
    Thread caller = Thread.currentThread();
    boolean held = false;
    while (!held) {
      CompletableFuture<Boolean> onWorker = new CompletableFuture<>();
      var unused =
          runner
              .infer(call)
              .whenComplete(
                  (outputs, error) -> {
                    if (error instanceof ModelException refusal
                        && refusal.reason() == ModelException.Reason.EXPIRED) {
                      onWorker.complete(false);
                      return;
                    }
                    if (error != null) {
                      onWorker.completeExceptionally(error);
                      return;
                    }
                    // The result may have been there before this was hung on it.
                    boolean worker = Thread.currentThread() != caller;
                    onWorker.complete(worker);
                    if (worker) {
                      awaitRelease();
                    }
                  });
      held = onWorker.join();
    }
  }

  private void awaitRelease() {
    try {
      released.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    released.countDown();
  }
}

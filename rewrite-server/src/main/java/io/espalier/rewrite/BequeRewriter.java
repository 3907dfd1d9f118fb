package io.espalier.rewrite;

import com.github.benmanes.caffeine.cache.AsyncCache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.espalier.inference.ModelException;
import io.espalier.rewrite.Rewrite.Origin;
import io.espalier.rewrite.RewriteMetrics.Outcome;
import io.opentelemetry.context.Context;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The rewrites of BEQUE (WWW 2024, arXiv:2311.03758), looked up as it does online, and, as this
 * project's own extension, written by a small model for queries that the table does not have.
 *
 * <p>In order: the cache of model answers, the table, the model. A caller waits for the model until
 * its budget or deadline ends and no longer; the model's run goes on to its own limit and fills the
 * cache for the next caller. Runs are bounded in number and time: when all are taken the model is
 * not asked. Callers that miss the same query at once share one run.
 */
final class BequeRewriter implements Rewriter {
  private final RewriteTable table;
  private final Optional<BequeModel> model;
  private final RewriteSettings settings;
  private final RewriteMetrics metrics;
  private final AsyncCache<String, List<Rewrite>> cache;
  private final Semaphore runs;
  // A run is of the trace of the request that began it.
  private final ExecutorService threads =
      Context.taskWrapping(Executors.newVirtualThreadPerTaskExecutor());

  BequeRewriter(
      RewriteTable table,
      Optional<BequeModel> model,
      RewriteSettings settings,
      RewriteMetrics metrics) {
    this.table = table;
    this.model = model;
    this.settings = settings;
    this.metrics = metrics;
    this.cache = Caffeine.newBuilder().maximumSize(settings.cachedQueries()).buildAsync();
    this.runs = new Semaphore(settings.modelRuns());
  }

  @Override
  public Rewrites rewrite(String normalisedQuery, int max, long deadlineNanos) {
    CompletableFuture<List<Rewrite>> cached = cache.getIfPresent(normalisedQuery);
    if (cached != null && cached.isDone() && !cached.isCompletedExceptionally()) {
      metrics.count(Outcome.CACHE);
      List<Rewrite> found =
          cached.join().stream().map(rewrite -> rewrite.from(Origin.CACHE)).toList();
      return answer(normalisedQuery, found, max, false);
    }
    List<Rewrite> rows = table.get(normalisedQuery);
    if (!rows.isEmpty()) {
      metrics.count(Outcome.TABLE);
      return answer(normalisedQuery, rows, max, false);
    }
    if (model.isEmpty()) {
      metrics.count(Outcome.NONE);
      return answer(normalisedQuery, List.of(), max, false);
    }
    return ask(model.get(), normalisedQuery, max, deadlineNanos);
  }

  private Rewrites ask(BequeModel asked, String query, int max, long deadlineNanos) {
    long now = System.nanoTime();
    long wait =
        Math.min(settings.modelBudget().toNanos(), deadlineNanos - now)
            - settings.answerReserve().toNanos();
    try {
      CompletableFuture<List<Rewrite>> run = cache.get(query, (key, unused) -> start(asked, key));
      List<Rewrite> written = run.get(Math.max(0, wait), TimeUnit.NANOSECONDS);
      metrics.count(Outcome.MODEL);
      return answer(query, written, max, false);
    } catch (TimeoutException e) {
      return late(query, max);
    } catch (CancellationException e) {
      Optional<ModelException> failure = NoAnswer.failureOf(e);
      if (failure.isEmpty()) {
        return late(query, max);
      }
      metrics.count(Outcome.FAILED);
      throw ModelFailures.toRequest(failure.get());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return late(query, max);
    } catch (ExecutionException e) {
      metrics.count(Outcome.FAILED);
      throw new IllegalStateException("the rewrite model failed", e.getCause());
    }
  }

  private Rewrites late(String query, int max) {
    metrics.count(Outcome.LATE);
    return answer(query, List.of(), max, true);
  }

  private CompletableFuture<List<Rewrite>> start(BequeModel asked, String query) {
    if (!runs.tryAcquire()) {
      return CompletableFuture.failedFuture(new NoAnswer(Optional.empty()));
    }
    long deadline = System.nanoTime() + settings.runLimit().toNanos();
    CompletableFuture<List<Rewrite>> result = new CompletableFuture<>();
    try {
      threads.execute(
          () -> {
            try {
              result.complete(asked.write(query, deadline));
            } catch (ModelException e) {
              result.completeExceptionally(
                  switch (e.reason()) {
                    case QUEUE_FULL, EXPIRED -> new NoAnswer(Optional.empty());
                    case UNKNOWN_MODEL, INVALID_INPUT, NOT_READY, FAILED ->
                        new NoAnswer(Optional.of(e));
                  });
            } catch (Throwable e) {
              result.completeExceptionally(e);
            } finally {
              runs.release();
            }
          });
    } catch (RuntimeException e) {
      runs.release();
      throw e;
    }
    return result;
  }

  /**
   * A run that gave no rewrites: no room or time for it, or the model's own failure.
   *
   * <p>A cancellation, because the cache keeps and logs every other exception's stack, once a
   * request for as long as a model is down.
   */
  private static final class NoAnswer extends CancellationException {
    private static final long serialVersionUID = 1L;

    private final transient Optional<ModelException> failure;

    NoAnswer(Optional<ModelException> failure) {
      this.failure = failure;
    }

    /** A future's {@code get} may wrap the exception that ended it in another of its kind. */
    static Optional<ModelException> failureOf(CancellationException thrown) {
      for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
        if (cause instanceof NoAnswer none) {
          return none.failure;
        }
      }
      return Optional.empty();
    }
  }

  private static Rewrites answer(String query, List<Rewrite> found, int max, boolean late) {
    return new Rewrites(query, Rewrites.distinct(query, found, max), late);
  }

  @Override
  public void warm() {
    model.ifPresent(
        warmed -> warmed.write("warm up", System.nanoTime() + settings.warmUpLimit().toNanos()));
  }

  @Override
  public List<String> models() {
    return model.map(BequeModel::models).orElse(List.of());
  }

  /** Waits for the runs in progress, which end by their limit. */
  @Override
  public void close() {
    threads.close();
    model.ifPresent(BequeModel::close);
  }
}

package io.espalier.loadtest.crash;

import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.loadtest.process.UpdateStream;
import io.grpc.Channel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Sends one client's changes, as fast as they are answered, until the writer is gone. */
final class Client {
  private static final int UNANSWERED = 128;
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final Script script;
  private final int client;
  private final long before;
  private final UpdateStream stream;
  private final Thread thread;
  // The offsets of the changes after {@code before}, in order.
  private final List<Long> acknowledged = new ArrayList<>();
  private volatile @Nullable RuntimeException failure;
  private final AtomicLong sent;
  private final CountDownLatch first = new CountDownLatch(1);

  /**
   * Starts.
   *
   * @param before how many of the client's changes the log holds
   */
  Client(Channel writer, Script script, int client, long before) {
    this.script = script;
    this.client = client;
    this.before = before;
    this.sent = new AtomicLong(before);
    this.stream = new UpdateStream(writer, UNANSWERED, this::acknowledged);
    this.thread = Thread.ofPlatform().daemon().name("client-" + client).start(this::run);
  }

  private void run() {
    try {
      while (stream.send(script.change(client, sent.get() + 1))) {
        sent.incrementAndGet();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void acknowledged(UpdateRequest change, UpdateResponse response) {
    synchronized (acknowledged) {
      long number = before + acknowledged.size() + 1;
      Change expected = script.record(client, number, response.getOffset());
      String id = change.hasUpsert() ? change.getUpsert().getId() : change.getRemove();
      if (!response.getError().isEmpty()
          || !response.getItemId().equals(id)
          || !response.getSemanticIdsList().equals(expected.getSemanticIdsList())) {
        failure = new IllegalStateException("change " + number + ": " + response);
      }
      acknowledged.add(response.getOffset());
      first.countDown();
    }
  }

  /** Waits until one change was acknowledged. */
  void awaitFirst() throws InterruptedException {
    if (!first.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
      throw new IllegalStateException("no change was acknowledged", stream.failure());
    }
  }

  /** Waits until the writer's end has ended this too. */
  void await() throws InterruptedException {
    thread.join();
    stream.finish(PATIENCE);
    if (failure != null) {
      throw failure;
    }
  }

  /** How many changes were sent without an answer, so that they may be there or not. */
  long unanswered() {
    return sent.get() - before - acknowledged.size();
  }

  /** How many were acknowledged. */
  int acknowledged() {
    return acknowledged.size();
  }

  /**
   * Checks that the log holds what was acknowledged, and no more than was sent.
   *
   * @throws IllegalStateException when it does not
   */
  void check(LogCheck log) {
    long number = log.number(client);
    if (number < before + acknowledged.size() || number > sent.get()) {
      throw new IllegalStateException(
          "client %d: %d changes in the log (expected: %d acknowledged to %d sent)"
              .formatted(client, number, before + acknowledged.size(), sent.get()));
    }
    for (int i = 0; i < acknowledged.size(); i++) {
      long expected = log.offset(client, before + i + 1);
      if (acknowledged.get(i) != expected) {
        throw new IllegalStateException(
            "change %d of client %d: acknowledged at %d (expected: %d, where it is)"
                .formatted(before + i + 1, client, acknowledged.get(i), expected));
      }
    }
  }
}

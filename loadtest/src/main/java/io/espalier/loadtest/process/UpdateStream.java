package io.espalier.loadtest.process;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.grpc.Channel;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** One stream of changes to a catalogue's writer. One thread at a time sends. */
public final class UpdateStream {
  private final Acknowledged acknowledged;
  private final Semaphore room;
  private final Queue<UpdateRequest> unanswered = new ConcurrentLinkedQueue<>();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final StreamObserver<UpdateRequest> requests;
  private volatile @Nullable Throwable failure;

  /** Is told of answers, in the order of the changes. */
  @FunctionalInterface
  public interface Acknowledged {
    /** The writer has answered. */
    void acknowledged(UpdateRequest change, UpdateResponse response);
  }

  /**
   * Opens a stream.
   *
   * @param mostUnanswered more changes than these are not sent before others are answered
   */
  public UpdateStream(Channel channel, int mostUnanswered, Acknowledged acknowledged) {
    this.acknowledged = acknowledged;
    this.room = new Semaphore(mostUnanswered);
    this.requests = CatalogServiceGrpc.newStub(channel).update(new Responses());
  }

  /** Sends a change; returns whether the stream still stands. */
  public boolean send(UpdateRequest change) throws InterruptedException {
    while (!room.tryAcquire(100, TimeUnit.MILLISECONDS)) {
      if (isOver()) {
        return false;
      }
    }
    if (isOver()) {
      return false;
    }
    unanswered.add(change);
    requests.onNext(change);
    return true;
  }

  /** Whether the stream has ended, for whatever reason. */
  public boolean isOver() {
    return ended.getCount() == 0;
  }

  /** What ended the stream before it was finished; null when nothing did. */
  public @Nullable Throwable failure() {
    return failure;
  }

  /**
   * Sends no more, and waits until all is answered.
   *
   * @param patience how long
   * @throws IllegalStateException when the writer neither answers nor ends the stream in that time
   */
  public void finish(Duration patience) throws InterruptedException {
    if (!isOver()) {
      requests.onCompleted();
    }
    if (!ended.await(patience.toMillis(), TimeUnit.MILLISECONDS)) {
      throw new IllegalStateException(
          unanswered.size()
              + " changes without an answer after "
              + patience
              + " (expected: the end of the stream)");
    }
  }

  private final class Responses implements StreamObserver<UpdateResponse> {
    @Override
    public void onNext(UpdateResponse response) {
      acknowledged.acknowledged(unanswered.remove(), response);
      room.release();
    }

    @Override
    public void onError(Throwable cause) {
      failure = cause;
      ended.countDown();
    }

    @Override
    public void onCompleted() {
      ended.countDown();
    }
  }
}

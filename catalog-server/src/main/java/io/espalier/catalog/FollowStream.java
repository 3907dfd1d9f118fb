package io.espalier.catalog;

import io.espalier.catalog.v1.FollowRequest;
import io.espalier.catalog.v1.FollowResponse;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The answers to a call of {@code Follow}, taken together where several have come. */
final class FollowStream implements ClientResponseObserver<FollowRequest, FollowResponse> {
  // Answers on their way; each is of about a megabyte at most.
  private static final int AHEAD = 32;

  private @Nullable ClientCallStreamObserver<FollowRequest> call;
  private List<FollowResponse> arrived = new ArrayList<>();
  private @Nullable Status end;

  @Override
  public void beforeStart(ClientCallStreamObserver<FollowRequest> started) {
    started.disableAutoRequestWithInitial(AHEAD);
    synchronized (this) {
      call = started;
    }
  }

  @Override
  public synchronized void onNext(FollowResponse response) {
    arrived.add(response);
    notifyAll();
  }

  @Override
  public synchronized void onError(Throwable failure) {
    end = Status.fromThrowable(failure);
    notifyAll();
  }

  @Override
  public synchronized void onCompleted() {
    end = Status.OK;
    notifyAll();
  }

  /**
   * Waits for answers.
   *
   * @return all that have come since, in order; none when the call is complete
   * @throws StatusRuntimeException when the call failed; DEADLINE_EXCEEDED when nothing came in
   *     this time
   */
  synchronized List<FollowResponse> take(Duration patience) throws InterruptedException {
    long until = System.nanoTime() + patience.toNanos();
    for (long left = patience.toNanos();
        arrived.isEmpty() && end == null;
        left = until - System.nanoTime()) {
      if (left <= 0) {
        throw Status.DEADLINE_EXCEEDED
            .withDescription("nothing was heard for " + patience.toMillis() + " ms")
            .asRuntimeException();
      }
      TimeUnit.NANOSECONDS.timedWait(this, left);
    }
    if (arrived.isEmpty() && end != null && !end.isOk()) {
      throw end.asRuntimeException();
    }
    List<FollowResponse> taken = arrived;
    arrived = new ArrayList<>();
    if (call != null) {
      call.request(taken.size());
    }
    return taken;
  }
}

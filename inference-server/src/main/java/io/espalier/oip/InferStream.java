package io.espalier.oip;

import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferResponse;
import io.espalier.inference.oip.v2.ModelStreamInferResponse;
import io.espalier.server.RequestException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A stream of requests that are answered in their order; one that is refused does not end it.
 *
 * <p>At most {@value #MOST_IN_FLIGHT} are taken at once, and none while the client does not read.
 */
final class InferStream implements StreamObserver<ModelInferRequest> {
  private static final int MOST_IN_FLIGHT = 64;

  /** A request's place in the order. */
  private static final class Place {
    @Nullable Inference inference;
    @Nullable ModelStreamInferResponse answer;
  }

  private final Inferences inferences;
  private final long deadlineNanos;
  private final ServerCallStreamObserver<ModelStreamInferResponse> responses;
  private final Deque<Place> places = new ArrayDeque<>();
  private int free = MOST_IN_FLIGHT;
  private boolean halfClosed;

  private InferStream(
      Inferences inferences,
      long deadlineNanos,
      ServerCallStreamObserver<ModelStreamInferResponse> responses) {
    this.inferences = inferences;
    this.deadlineNanos = deadlineNanos;
    this.responses = responses;
  }

  static InferStream open(
      Inferences inferences,
      long deadlineNanos,
      ServerCallStreamObserver<ModelStreamInferResponse> responses) {
    InferStream stream = new InferStream(inferences, deadlineNanos, responses);
    responses.disableAutoRequest();
    responses.setOnReadyHandler(stream::takeMore);
    responses.setOnCancelHandler(stream::cancel);
    return stream;
  }

  @Override
  public void onNext(ModelInferRequest request) {
    Place place = new Place();
    synchronized (this) {
      places.add(place);
    }
    Inference inference;
    try {
      inference = inferences.start(request, deadlineNanos);
    } catch (RequestException e) {
      answer(place, refused(request, e));
      return;
    }
    synchronized (this) {
      place.inference = inference;
    }
    inference.whenDone(
        response -> answer(place, answered(response)),
        error -> answer(place, refused(request, error)));
  }

  private static ModelStreamInferResponse answered(ModelInferResponse response) {
    return ModelStreamInferResponse.newBuilder()
        .setInferResponse(InferWriter.last(response))
        .build();
  }

  private static ModelStreamInferResponse refused(ModelInferRequest request, Throwable error) {
    return ModelStreamInferResponse.newBuilder()
        .setErrorMessage(error instanceof RequestException e ? e.getMessage() : "internal error")
        .setInferResponse(ModelInferResponse.newBuilder().setId(request.getId()))
        .build();
  }

  private synchronized void answer(Place answered, ModelStreamInferResponse answer) {
    answered.answer = answer;
    for (Place first = places.peek();
        first != null && first.answer != null;
        first = places.peek()) {
      places.remove();
      responses.onNext(first.answer);
      free++;
    }
    takeMore();
    if (halfClosed && places.isEmpty()) {
      responses.onCompleted();
    }
  }

  private synchronized void takeMore() {
    if (free > 0 && responses.isReady()) {
      responses.request(free);
      free = 0;
    }
  }

  @Override
  public synchronized void onCompleted() {
    halfClosed = true;
    if (places.isEmpty()) {
      responses.onCompleted();
    }
  }

  @Override
  public void onError(Throwable error) {
    cancel();
  }

  private void cancel() {
    List<Place> waiting;
    synchronized (this) {
      waiting = List.copyOf(places);
    }
    for (Place place : waiting) {
      Inference inference = place.inference;
      if (inference != null) {
        inference.cancel();
      }
    }
  }
}

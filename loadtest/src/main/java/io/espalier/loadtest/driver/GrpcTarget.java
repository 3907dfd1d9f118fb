package io.espalier.loadtest.driver;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A unary method of a gRPC server.
 *
 * @param <Q> its requests
 * @param <A> its answers
 */
public final class GrpcTarget<Q, A> implements Target {
  private final List<? extends Channel> channels;
  private final MethodDescriptor<Q, A> method;
  private final Duration deadline;
  private final IntFunction<Q> requests;
  private final Judge<Q, A> judge;

  /** Says what an answer is worth. */
  @FunctionalInterface
  public interface Judge<Q, A> {
    /** Looks at the answer to a request. */
    Outcome judge(Q request, A answer);
  }

  /**
   * Calls a method.
   *
   * @param channels to the server, in turn
   * @param deadline of each call
   * @param requests the request with a number
   */
  public GrpcTarget(
      List<? extends Channel> channels,
      MethodDescriptor<Q, A> method,
      Duration deadline,
      IntFunction<Q> requests,
      Judge<Q, A> judge) {
    this.channels = List.copyOf(channels);
    this.method = method;
    this.deadline = deadline;
    this.requests = requests;
    this.judge = judge;
  }

  @Override
  public void send(int number, Consumer<Outcome> done) {
    Q request = requests.apply(number);
    CallOptions options =
        CallOptions.DEFAULT
            .withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS)
            // Answers are taken by the thread that reads them: no hop is measured.
            .withExecutor(Runnable::run);
    ClientCalls.asyncUnaryCall(
        channels.get(number % channels.size()).newCall(method, options),
        request,
        new Answered(request, done));
  }

  private final class Answered implements StreamObserver<A> {
    private final Q request;
    private final Consumer<Outcome> done;
    private @Nullable A answer;

    Answered(Q request, Consumer<Outcome> done) {
      this.request = request;
      this.done = done;
    }

    @Override
    public void onNext(A received) {
      answer = received;
    }

    @Override
    public void onError(Throwable failure) {
      boolean refused = Status.fromThrowable(failure).getCode() == Status.Code.RESOURCE_EXHAUSTED;
      done.accept(refused ? Outcome.REFUSED : Outcome.FAILED);
    }

    @Override
    public void onCompleted() {
      done.accept(answer == null ? Outcome.FAILED : judge.judge(request, answer));
    }
  }
}

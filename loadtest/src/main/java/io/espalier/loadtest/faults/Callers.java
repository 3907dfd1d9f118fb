package io.espalier.loadtest.faults;

import com.google.common.hash.Hashing;
import io.espalier.events.v1.Event;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Target;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.LoggedQuery;
import io.grpc.CallOptions;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Sensible callers of a cluster's routers: they know all of them, give a call half of its deadline,
 * and try once more when it failed in that time for no fault of theirs.
 *
 * <p>Each remembers what a question was answered while nothing was wrong: an answer that lacks much
 * of that and does not say so is worse than none.
 */
final class Callers implements Target, AutoCloseable {
  private static final int CHANNELS = 2;
  private static final int QUESTIONS = 200;
  private static final int ONE_WRITE_IN = 10;
  // What a page of results brings back at once.
  private static final int EVENTS_OF_A_WRITE = 20;
  // Neighbours with nearly equal scores may change places, so that one leaves the page.
  private static final double LIKENESS = .8;
  // Of the questions: an answer to one that was never answered in full is held against nothing.
  private static final double LEAST_KNOWN = .5;
  // A second try with less than this left is none.
  private static final Duration LEAST = Duration.ofMillis(50);

  private final List<ManagedChannel> channels = new ArrayList<>();
  private final List<Question<?, ?>> questions = new ArrayList<>();
  private final Duration deadline;
  private final boolean writes;
  private final Map<Integer, Set<Long>> whole = new ConcurrentHashMap<>();
  private final Map<Integer, Trouble> troubles = new ConcurrentSkipListMap<>();
  private final Map<String, LongAdder> degradations = new ConcurrentSkipListMap<>();
  private final AtomicInteger sent = new AtomicInteger();
  private final AtomicLong writesInTrouble = new AtomicLong();
  private volatile boolean learning = true;

  /** How a request met trouble. */
  enum Kind {
    /** Answered, by the second try. */
    SECOND_TRY,
    /** Answered, with a part left out that the answer names. */
    DEGRADED,
    /** Answered, with much left out that it does not name. */
    UNFLAGGED,
    /** Not answered, though there was a second try. */
    FAILED,
    /** Not answered, without time for a second try. */
    FAILED_LATE,
    /** A write that was not taken. */
    REFUSED
  }

  /** What became of a request that was not answered in full at once, and by which status. */
  record Trouble(Kind kind, String status) {}

  private record Question<Q, A>(
      MethodDescriptor<Q, A> method, Q request, Function<A, ResultPage> page) {}

  /**
   * Callers of some routers.
   *
   * @param routers their addresses, with commas between
   * @param caller who they are; stays open for as long as they
   * @param deadline of a call
   * @param writes whether one call in ten records events
   */
  Callers(
      String routers,
      Caller caller,
      DataFolder data,
      boolean searches,
      Duration deadline,
      boolean writes,
      long seed) {
    this.deadline = deadline;
    this.writes = writes;
    List<Question<?, ?>> all = new ArrayList<>();
    data.sequences().stream()
        .limit(QUESTIONS)
        .forEach(
            user ->
                all.add(
                    new Question<>(
                        RouterServiceGrpc.getRecommendMethod(),
                        RecommendRequest.newBuilder()
                            .setUser(User.newBuilder().setId(user.user()))
                            .setOptions(page())
                            .build(),
                        answer -> answer.getPage())));
    if (searches) {
      data.queries().stream()
          .map(LoggedQuery::query)
          .distinct()
          .limit(QUESTIONS)
          .forEach(
              query ->
                  all.add(
                      new Question<>(
                          RouterServiceGrpc.getSearchMethod(),
                          SearchRequest.newBuilder().setQuery(query).setOptions(page()).build(),
                          answer -> answer.getPage())));
    }
    if (all.isEmpty()) {
      throw new IllegalArgumentException(
          data.directory() + ": nothing to ask (expected: sequences.tsv)");
    }
    Collections.shuffle(all, new Random(seed));
    questions.addAll(all);
    for (int i = 0; i < CHANNELS; i++) {
      channels.add(ClientChannels.open(routers, caller));
    }
  }

  private static ListOptions page() {
    return ListOptions.newBuilder().setPageSize(20).build();
  }

  /** How many questions there are. */
  int questions() {
    return questions.size();
  }

  /** From now on answers are held against what they were before, and trouble is kept. */
  void learned() {
    learning = false;
    troubles.clear();
    degradations.clear();
  }

  /** How many questions have been answered in full. */
  int known() {
    return whole.size();
  }

  /** What the answers cannot be held against; empty when most questions are known. */
  List<String> shortcomings() {
    return known() >= LEAST_KNOWN * questions()
        ? List.of()
        : List.of(
            "%d of %d questions were answered in full while warming (expected: half of them)"
                .formatted(known(), questions()));
  }

  /** The requests that met trouble, by their number in the run. */
  Map<Integer, Trouble> troubles() {
    return troubles;
  }

  /** Which parts answers said they lack, by stage and reason. */
  Map<String, LongAdder> degradations() {
    return degradations;
  }

  /** How many writes failed at the router that they were sent to first. */
  long writesInTrouble() {
    return writesInTrouble.get();
  }

  /** How many requests were sent. */
  int sent() {
    return sent.get();
  }

  @Override
  public void send(int number, Consumer<Outcome> done) {
    sent.incrementAndGet();
    if (writes && number % ONE_WRITE_IN == 0) {
      write(number, done);
    } else {
      ask(number, done);
    }
  }

  private void ask(int number, Consumer<Outcome> done) {
    int which = number % questions.size();
    send(number, which, questions.get(which), done);
  }

  private <Q, A> void send(int number, int which, Question<Q, A> question, Consumer<Outcome> done) {
    new Attempts<>(
            number,
            question.method(),
            question.request(),
            answer -> judge(number, which, question.page().apply(answer)),
            Kind.FAILED,
            done)
        .first();
  }

  private void write(int number, Consumer<Outcome> done) {
    RecordEventsRequest.Builder request =
        RecordEventsRequest.newBuilder().setUserId("faults-" + number % 1_000);
    String id = Long.toString(System.nanoTime());
    for (int i = 0; i < EVENTS_OF_A_WRITE; i++) {
      request.addEvents(Event.newBuilder().setEventId(id + "-" + i).setItemId("P00001"));
    }
    new Attempts<>(
            number,
            RouterServiceGrpc.getRecordEventsMethod(),
            request.build(),
            answer -> Outcome.OK,
            Kind.REFUSED,
            done)
        .first();
  }

  private Outcome judge(int number, int which, ResultPage page) {
    Set<Long> items = new HashSet<>();
    for (ResultItem item : page.getItemsList()) {
      items.add(Hashing.murmur3_128().hashUnencodedChars(item.getItemId()).asLong());
    }
    if (page.getDegradationsCount() > 0) {
      for (Degradation one : page.getDegradationsList()) {
        String reason = one.getReason().name().replace("DEGRADATION_REASON_", "");
        degradations
            .computeIfAbsent(one.getStage() + " " + reason, key -> new LongAdder())
            .increment();
      }
      troubles.put(number, new Trouble(Kind.DEGRADED, ""));
      return Outcome.DEGRADED;
    }
    if (learning) {
      whole.put(which, Set.copyOf(items));
      return Outcome.OK;
    }
    Set<Long> before = whole.get(which);
    if (before != null) {
      int size = before.size();
      items.retainAll(before);
      if (items.size() < LIKENESS * size) {
        troubles.put(number, new Trouble(Kind.UNFLAGGED, items.size() + " of " + size + " items"));
        return Outcome.DEGRADED;
      }
    }
    return Outcome.OK;
  }

  /** A call and, where it fails in time, another. */
  private final class Attempts<Q, A> {
    private final int number;
    private final MethodDescriptor<Q, A> method;
    private final Q request;
    private final Function<A, Outcome> judge;
    private final Kind failure;
    private final Consumer<Outcome> done;
    private final Deadline end = Deadline.after(deadline.toNanos(), TimeUnit.NANOSECONDS);

    Attempts(
        int number,
        MethodDescriptor<Q, A> method,
        Q request,
        Function<A, Outcome> judge,
        Kind failure,
        Consumer<Outcome> done) {
      this.number = number;
      this.method = method;
      this.request = request;
      this.judge = judge;
      this.failure = failure;
      this.done = done;
    }

    void first() {
      call(Deadline.after(deadline.toNanos() / 2, TimeUnit.NANOSECONDS), this::firstFailed);
    }

    private void firstFailed(Status status) {
      if (failure == Kind.REFUSED) {
        writesInTrouble.incrementAndGet();
      }
      boolean again =
          switch (status.getCode()) {
            case UNAVAILABLE, DEADLINE_EXCEEDED -> true;
            default -> false;
          };
      if (!again || end.timeRemaining(TimeUnit.NANOSECONDS) < LEAST.toNanos()) {
        failed(again && failure == Kind.FAILED ? Kind.FAILED_LATE : failure, status);
        return;
      }
      troubles.put(number, new Trouble(Kind.SECOND_TRY, text(status)));
      call(end, second -> failed(failure, second));
    }

    private void failed(Kind kind, Status status) {
      troubles.put(number, new Trouble(kind, text(status)));
      done.accept(Outcome.FAILED);
    }

    private static String text(Status status) {
      return status.getCode() + ": " + status.getDescription();
    }

    private void call(Deadline latest, Consumer<Status> failed) {
      ClientCalls.asyncUnaryCall(
          channels
              .get(number % channels.size())
              .newCall(
                  method, CallOptions.DEFAULT.withDeadline(latest).withExecutor(Runnable::run)),
          request,
          new StreamObserver<A>() {
            private @Nullable A answer;

            @Override
            public void onNext(A received) {
              answer = received;
            }

            @Override
            public void onError(Throwable failure) {
              failed.accept(Status.fromThrowable(failure));
            }

            @Override
            public void onCompleted() {
              A received = answer;
              if (received == null) {
                failed.accept(Status.INTERNAL.withDescription("no answer"));
              } else {
                done.accept(judge.apply(received));
              }
            }
          });
    }
  }

  @Override
  public void close() {
    channels.forEach(ManagedChannel::shutdownNow);
  }
}

package io.espalier.catalog;

import io.espalier.bundles.BundleId;
import io.espalier.catalog.v1.BundleDrift;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.DriftRequest;
import io.espalier.catalog.v1.DriftResponse;
import io.espalier.catalog.v1.FollowRequest;
import io.espalier.catalog.v1.FollowResponse;
import io.espalier.catalog.v1.ListSnapshotsRequest;
import io.espalier.catalog.v1.ListSnapshotsResponse;
import io.espalier.catalog.v1.PublishSnapshotRequest;
import io.espalier.catalog.v1.PublishSnapshotResponse;
import io.espalier.catalog.v1.RollBackRequest;
import io.espalier.catalog.v1.RollBackResponse;
import io.espalier.catalog.v1.SnapshotInfo;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.catalog.v1.WithoutId;
import io.espalier.server.RequestException;
import io.espalier.stores.log.LogException;
import io.espalier.stores.log.LogRecord;
import io.espalier.stores.log.RecordLog;
import io.grpc.Context;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The gRPC face of the catalogue. Calls may block. */
final class CatalogService extends CatalogServiceGrpc.CatalogServiceImplBase {
  private static final Logger log = LoggerFactory.getLogger(CatalogService.class);
  private static final int FOLLOW_BYTES = 1 << 20;
  // Answers that wait for a caller to read them.
  private static final int MOST_UNREAD = 1024;
  // How often an idle follower hears that it is up to date.
  private static final Duration HEARTBEAT = Duration.ofSeconds(1);

  private final CatalogWriter writer;
  private final RecordLog records;
  private final @Nullable SnapshotPublisher snapshots;

  CatalogService(CatalogWriter writer, RecordLog records, @Nullable SnapshotPublisher snapshots) {
    this.writer = writer;
    this.records = records;
    this.snapshots = snapshots;
  }

  @Override
  public StreamObserver<UpdateRequest> update(StreamObserver<UpdateResponse> responses) {
    return new Updates((ServerCallStreamObserver<UpdateResponse>) responses);
  }

  /**
   * Answers in the order of the changes, whichever is known first; takes no more of them from a
   * caller who leaves too many answers unread.
   */
  private final class Updates implements StreamObserver<UpdateRequest> {
    private final ServerCallStreamObserver<UpdateResponse> responses;
    private final Queue<CompletableFuture<UpdateResponse>> pending = new ArrayDeque<>();
    // Whether the next change has been asked for and did not come yet.
    private boolean asked;
    private boolean complete;
    private boolean ended;

    Updates(ServerCallStreamObserver<UpdateResponse> responses) {
      this.responses = responses;
      responses.disableAutoRequest();
      responses.setOnReadyHandler(this::flush);
      ask();
    }

    @Override
    public void onNext(UpdateRequest update) {
      CompletableFuture<UpdateResponse> answer = answer(update);
      synchronized (this) {
        asked = false;
        pending.add(answer);
        ask();
      }
      var unused = answer.whenComplete((response, failure) -> flush());
    }

    private synchronized void ask() {
      if (!asked && !complete && !ended && pending.size() < MOST_UNREAD) {
        asked = true;
        responses.request(1);
      }
    }

    private CompletableFuture<UpdateResponse> answer(UpdateRequest update) {
      String id = update.hasUpsert() ? update.getUpsert().getId() : update.getRemove();
      Optional<String> error = UpdateRules.check(update);
      if (error.isPresent()) {
        return CompletableFuture.completedFuture(refused(id, error.get()));
      }
      CatalogChange change =
          update.hasUpsert()
              ? new CatalogChange.Upsert(ChangeMessages.read(update.getUpsert()), Map.of())
              : new CatalogChange.Removal(id);
      try {
        return writer
            .submit(change)
            .thenApply(CatalogService::accepted)
            .exceptionally(failure -> refused(id, failure));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw RequestException.unavailable("the catalogue's writer is stopping");
      }
    }

    private synchronized void flush() {
      while (!ended && responses.isReady() && !pending.isEmpty() && pending.element().isDone()) {
        try {
          responses.onNext(pending.remove().join());
        } catch (RuntimeException e) {
          ended = true;
          // As a cause, since the server tells callers a refusal's words, and no other status's.
          responses.onError(Status.INTERNAL.withCause(cause(e)).asException());
        }
      }
      if (complete && !ended && pending.isEmpty()) {
        ended = true;
        responses.onCompleted();
      }
      ask();
    }

    @Override
    public synchronized void onError(Throwable failure) {
      // The caller is gone; what it was told of is durable.
      ended = true;
    }

    @Override
    public void onCompleted() {
      synchronized (this) {
        complete = true;
      }
      flush();
    }
  }

  // The call itself hears that its caller is gone only once this method returns.
  private static boolean gone() {
    return Context.current().isCancelled();
  }

  private static UpdateResponse refused(String id, String error) {
    return UpdateResponse.newBuilder().setItemId(UpdateRules.shown(id)).setError(error).build();
  }

  /** What is the change's own fault ends no stream. */
  private static UpdateResponse refused(String id, Throwable failure) {
    if (cause(failure) instanceof RequestException refusal
        && refusal.code() == Status.Code.INVALID_ARGUMENT) {
      return refused(id, String.valueOf(refusal.getMessage()));
    }
    throw new CompletionException(cause(failure));
  }

  private static Throwable cause(Throwable failure) {
    return failure.getCause() == null ? failure : failure.getCause();
  }

  private static UpdateResponse accepted(CatalogWriter.Accepted accepted) {
    UpdateResponse.Builder response =
        UpdateResponse.newBuilder().setOffset(accepted.offset()).setItemId(accepted.change().id());
    if (accepted.change() instanceof CatalogChange.Upsert upsert) {
      response.addAllSemanticIds(ChangeMessages.semanticIds(upsert));
    }
    accepted
        .withoutId()
        .forEach(
            (bundle, reason) ->
                response.addWithoutId(
                    WithoutId.newBuilder()
                        .setBundle(bundle.name())
                        .setVersion(bundle.version())
                        .setReason(reason)));
    return response.build();
  }

  @Override
  public void drift(DriftRequest request, StreamObserver<DriftResponse> responses) {
    DriftResponse.Builder response = DriftResponse.newBuilder();
    writer
        .drift()
        .forEach(
            (bundle, figures) ->
                response.addBundles(
                    BundleDrift.newBuilder()
                        .setBundle(bundle.name())
                        .setVersion(bundle.version())
                        .setItems(figures.items())
                        .setIndex(figures.index())));
    responses.onNext(response.build());
    responses.onCompleted();
  }

  @Override
  public void follow(FollowRequest request, StreamObserver<FollowResponse> responses) {
    ServerCallStreamObserver<FollowResponse> call =
        (ServerCallStreamObserver<FollowResponse>) responses;
    long after = request.getAfterOffset();
    check(new LogPlace(after, request.getAfterEpoch()));
    try {
      while (!gone()) {
        List<LogRecord> read = readAfter(after);
        FollowResponse.Builder response = FollowResponse.newBuilder().setEndOffset(records.end());
        if (snapshots != null) {
          response.setSnapshotOffset(snapshots.last().offset());
        }
        for (LogRecord record : read) {
          response.addChanges(CatalogWriter.message(record));
          after = record.offset();
        }
        // A follower that does not read costs a thread that sleeps, not memory.
        while (!call.isReady() && !gone()) {
          Thread.sleep(1);
        }
        call.onNext(response.build());
        if (after >= response.getEndOffset()) {
          var unused = records.await(after + 1, HEARTBEAT);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw RequestException.unavailable("the catalogue is stopping");
    }
  }

  private List<LogRecord> readAfter(long offset) {
    try {
      return records.read(offset + 1, FOLLOW_BYTES);
    } catch (LogException e) {
      // Who is slow may find the log cut before what comes next.
      check(new LogPlace(offset, 0));
      throw e;
    }
  }

  /** Refuses who cannot be led on from what he knows. */
  private void check(LogPlace known) {
    long start = records.start();
    long end = records.end();
    if (known.epoch() != 0 && known.offset() >= start && isLost(known, end)) {
      throw RequestException.aborted(
          "after_offset: %s (expected: a change that the log has, which ends at %d)"
              .formatted(known, end));
    }
    // A change that was dropped cannot be compared; a snapshot of a later one is there.
    long least = known.epoch() == 0 ? start - 1 : start;
    if (known.offset() < least || known.offset() > end) {
      throw RequestException.outOfRange(
          "after_offset: %d (expected: %d..%d)".formatted(known.offset(), least, end));
    }
  }

  private boolean isLost(LogPlace known, long end) {
    // A writer that was overtaken may not have heard of it yet.
    return known.offset() > end
        ? records.isWriter()
        : !LogPlace.of(records, known.offset()).equals(known);
  }

  private SnapshotPublisher snapshots() {
    if (snapshots == null) {
      throw RequestException.failedPrecondition(
          "snapshots: none here (expected: a writer with a snapshot store)");
    }
    return snapshots;
  }

  private static RequestException unavailable(IOException failure) {
    log.error("the snapshot store fails", failure);
    return RequestException.unavailable("the snapshot store cannot be used at present");
  }

  @Override
  public void listSnapshots(
      ListSnapshotsRequest request, StreamObserver<ListSnapshotsResponse> responses) {
    try {
      ListSnapshotsResponse.Builder response = ListSnapshotsResponse.newBuilder();
      snapshots().kept().forEach(manifest -> response.addSnapshots(info(manifest)));
      responses.onNext(response.build());
      responses.onCompleted();
    } catch (IOException e) {
      throw unavailable(e);
    }
  }

  private static SnapshotInfo info(SnapshotManifest manifest) {
    return SnapshotInfo.newBuilder()
        .setOffset(manifest.offset())
        .setItems(manifest.itemCount())
        .setBytes(manifest.bytes())
        .setPublishedMs(manifest.publishedMillis())
        .addAllBundles(manifest.tries().keySet().stream().map(BundleId::toString).toList())
        .build();
  }

  @Override
  public void publishSnapshot(
      PublishSnapshotRequest request, StreamObserver<PublishSnapshotResponse> responses) {
    try {
      SnapshotInfo newest = info(snapshots().publish());
      responses.onNext(PublishSnapshotResponse.newBuilder().setSnapshot(newest).build());
      responses.onCompleted();
    } catch (IOException e) {
      throw unavailable(e);
    }
  }

  @Override
  public void rollBack(RollBackRequest request, StreamObserver<RollBackResponse> responses) {
    long to = request.getSnapshotOffset();
    if (to < 0) {
      throw RequestException.invalidArgument("snapshot_offset: " + to + " (expected: >= 0)");
    }
    try {
      long offset = snapshots().rollBack(to, then -> writer.rollBack(to, then));
      responses.onNext(RollBackResponse.newBuilder().setOffset(offset).build());
      responses.onCompleted();
    } catch (IOException e) {
      throw unavailable(e);
    }
  }
}

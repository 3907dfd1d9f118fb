package io.espalier.catalog;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.catalog.v1.WithoutId;
import io.grpc.Channel;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Sends changes to a catalogue's writer. */
public final class CatalogClient {
  // Unanswered changes on their way: more would only wait in the writer's queue.
  private static final int IN_FLIGHT = 256;
  // Far above what a batch takes whose models answer at the last moment.
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final CatalogServiceGrpc.CatalogServiceBlockingV2Stub catalogue;
  private final Duration patience;

  public CatalogClient(Channel channel) {
    this(channel, PATIENCE);
  }

  /**
   * A client.
   *
   * @param patience how long it waits for each answer
   */
  CatalogClient(Channel channel, Duration patience) {
    this.catalogue = CatalogServiceGrpc.newBlockingV2Stub(channel);
    this.patience = patience;
  }

  /**
   * What became of changes.
   *
   * @param lastOffset the offset at which all that were accepted are durable; 0 when none was
   * @param accepted how many were
   * @param refused what is wrong with the others, each with the item's id
   * @param withoutId which accepted items have no semantic id in which bundle, and why
   */
  public record Outcome(
      long lastOffset, int accepted, List<String> refused, List<String> withoutId) {
    public Outcome {
      refused = List.copyOf(refused);
      withoutId = List.copyOf(withoutId);
    }
  }

  /**
   * Sends changes and waits for all answers.
   *
   * @throws StatusException when the writer cannot be reached, does not answer for two minutes, or
   *     cannot write its log; what had been answered by then is durable
   */
  public Outcome send(List<CatalogChange> changes) throws StatusException, InterruptedException {
    BlockingClientCall<UpdateRequest, UpdateResponse> call = catalogue.update();
    try {
      return send(changes, call);
    } catch (TimeoutException e) {
      call.cancel("no answer", e);
      throw Status.DEADLINE_EXCEEDED
          .withDescription(
              "the catalogue's writer has not answered for %d s (expected: an answer to each"
                      .formatted(patience.toSeconds())
                  + " change; those sent may be durable)")
          .asException();
    }
  }

  private Outcome send(
      List<CatalogChange> changes, BlockingClientCall<UpdateRequest, UpdateResponse> call)
      throws StatusException, InterruptedException, TimeoutException {
    long last = 0;
    int answered = 0;
    List<String> refused = new ArrayList<>();
    List<String> withoutId = new ArrayList<>();
    for (int sent = 0; answered < changes.size(); ) {
      if (sent < changes.size() && sent - answered < IN_FLIGHT) {
        call.write(request(changes.get(sent++)), patience.toNanos(), TimeUnit.NANOSECONDS);
        if (sent == changes.size()) {
          call.halfClose();
        }
        continue;
      }
      UpdateResponse response = call.read(patience.toNanos(), TimeUnit.NANOSECONDS);
      if (response == null) {
        break;
      }
      answered++;
      last = Math.max(last, response.getOffset());
      if (!response.getError().isEmpty()) {
        refused.add(response.getItemId() + ": " + response.getError());
      }
      for (WithoutId without : response.getWithoutIdList()) {
        withoutId.add(
            "%s: no semantic id in %s@%d: %s"
                .formatted(
                    response.getItemId(),
                    without.getBundle(),
                    without.getVersion(),
                    without.getReason()));
      }
    }
    if (changes.isEmpty()) {
      call.halfClose();
    }
    return new Outcome(last, answered - refused.size(), refused, withoutId);
  }

  private static UpdateRequest request(CatalogChange change) {
    Change message = ChangeMessages.write(change);
    return message.hasUpsert()
        ? UpdateRequest.newBuilder().setUpsert(message.getUpsert()).build()
        : UpdateRequest.newBuilder().setRemove(message.getRemove()).build();
  }
}

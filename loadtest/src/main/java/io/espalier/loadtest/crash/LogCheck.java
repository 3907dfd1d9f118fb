package io.espalier.loadtest.crash;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.Change;
import io.espalier.catalog.v1.FollowRequest;
import io.espalier.catalog.v1.FollowResponse;
import io.grpc.Channel;
import io.grpc.Context;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;

/**
 * What a writer's log must be, whenever it was killed: each client's changes from the first on,
 * each once, in order and whole, with nothing between them. As far as it was looked at.
 */
final class LogCheck {
  private final Script script;
  private final long first;
  // Where each client's changes are, in order.
  private final List<List<Long>> offsets =
      Stream.<List<Long>>generate(ArrayList::new).limit(Script.CLIENTS).toList();
  private long offset;

  /** A log in which nothing was looked at yet. */
  LogCheck(Script script, long firstOffset) {
    this.script = script;
    this.first = firstOffset;
    this.offset = firstOffset - 1;
  }

  /** The last offset that was looked at. */
  long offset() {
    return offset;
  }

  /** How many of a client's changes the log holds up to there. */
  long number(int client) {
    return offsets.get(client).size();
  }

  /** Where a client's change with a number is, from 1. */
  long offset(int client, long number) {
    return offsets.get(client).get(Math.toIntExact(number - 1));
  }

  /** The changes up to an offset, in order; as the clients sent them. */
  List<Change> changes(long last) {
    Change[] changes = new Change[Math.toIntExact(last - first + 1)];
    for (int client = 0; client < offsets.size(); client++) {
      for (int n = 0; n < offsets.get(client).size(); n++) {
        long at = offsets.get(client).get(n);
        if (at <= last) {
          changes[Math.toIntExact(at - first)] = script.record(client, n + 1L, at);
        }
      }
    }
    return List.of(changes);
  }

  /**
   * Looks at the rest of a log.
   *
   * @throws IllegalStateException when it is not as it must be
   */
  void readOn(Channel writer) {
    Context.CancellableContext context = Context.current().withCancellation();
    Context before = context.attach();
    try {
      Iterator<FollowResponse> responses =
          CatalogServiceGrpc.newBlockingStub(writer)
              .follow(FollowRequest.newBuilder().setAfterOffset(offset).build());
      FollowResponse response;
      do {
        response = responses.next();
        response.getChangesList().forEach(this::read);
      } while (offset < response.getEndOffset());
    } finally {
      context.detach(before);
      context.cancel(null);
    }
  }

  private void read(Change found) {
    int client = Script.client(found);
    Change expected = script.record(client, number(client) + 1, offset + 1);
    // Which writer wrote it is not the script's to say.
    if (!found.toBuilder().clearEpoch().build().equals(expected)) {
      throw new IllegalStateException(
          "record %d, change %d of client %d: %s (expected: %s)"
              .formatted(offset + 1, number(client) + 1, client, found, expected));
    }
    offsets.get(client).add(++offset);
  }

  /** Looks at all of it once more, from the beginning. */
  void readAgain(Channel writer) {
    LogCheck again = new LogCheck(script, first);
    again.readOn(writer);
    if (!again.offsets.equals(offsets)) {
      throw new IllegalStateException(
          "records up to %d (expected: the same as before, up to %d)"
              .formatted(again.offset, offset));
    }
  }
}

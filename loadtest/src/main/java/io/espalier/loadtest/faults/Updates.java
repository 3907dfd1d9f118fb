package io.espalier.loadtest.faults;

import io.espalier.catalog.v1.Item;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.loadtest.process.UpdateStream;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Changes of a catalogue, some a second: an item that nobody asks for, again and again. Where the
 * writer is away they are sent anew once it is back.
 */
final class Updates implements AutoCloseable {
  private static final long PAUSE_MILLIS = 200;
  private static final int UNANSWERED = 8;

  private final ManagedChannel channel;
  private final AtomicLong refused = new AtomicLong();
  private final AtomicLong streams = new AtomicLong();
  private final Acknowledgements acknowledgements = new Acknowledgements(System.nanoTime());
  private final Thread thread;
  private volatile boolean stopping;

  /** Begins to send to a writer. */
  Updates(String writer, Caller caller) {
    this.channel = ClientChannels.open(writer, caller);
    this.thread = Thread.ofVirtual().name("updates").start(this::run);
  }

  private void run() {
    try {
      while (!stopping) {
        streams.incrementAndGet();
        UpdateStream stream = new UpdateStream(channel, UNANSWERED, this::answered);
        for (long number = 0; !stopping && stream.send(change(number)); number++) {
          Thread.sleep(PAUSE_MILLIS);
        }
        Thread.sleep(PAUSE_MILLIS);
      }
    } catch (InterruptedException e) {
      // Closing.
      Thread.currentThread().interrupt();
    }
  }

  private static UpdateRequest change(long number) {
    return UpdateRequest.newBuilder()
        .setUpsert(
            Item.newBuilder()
                .setId("faults-" + number % 10)
                .setTitle("zzyzx " + number % 10)
                .setPrice((double) number))
        .build();
  }

  private void answered(UpdateRequest change, UpdateResponse response) {
    if (!response.getError().isEmpty()) {
      refused.incrementAndGet();
      return;
    }
    acknowledgements.add(System.nanoTime());
  }

  /** When the writer acknowledged. */
  Acknowledgements acknowledgements() {
    return acknowledgements;
  }

  @Override
  public String toString() {
    return "%s over %d streams, %d refused"
        .formatted(acknowledgements.text(System.nanoTime()), streams.get(), refused.get());
  }

  @Override
  public void close() {
    stopping = true;
    thread.interrupt();
    channel.shutdownNow();
  }
}

package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.CatalogServiceGrpc.CatalogServiceBlockingStub;
import io.espalier.catalog.v1.RollBackRequest;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.testing.MemoryLog;
import io.espalier.testing.ServedStage;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Returns whose writing fails, or nobody knows, or nobody waits for. */
class RollBackTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final MemoryLog log = new MemoryLog(1);
  private SnapshotPublisher publisher;
  private CatalogWriter writer;
  private ServedStage stage;
  private CatalogServiceBlockingStub catalogue;
  @TempDir Path dir;

  @BeforeEach
  void start() throws Exception {
    SnapshotStore store =
        new SnapshotStore(
            FolderBlobs.open(dir.resolve("store")),
            dir.resolve("cache"),
            OpenTelemetry.noop().getMeter("test"));
    // Nothing is published by itself.
    publisher =
        SnapshotPublisher.start(
            log,
            store,
            new SnapshotSettings(3, 1_000_000, Duration.ofDays(1), 1),
            List.of(),
            Map.of());
    writer = CatalogWriter.start(log, Map.of(), () -> Optional.of(publisher.last()));
    stage = ServedStage.of("catalog", new CatalogService(writer, log, publisher));
    catalogue = CatalogServiceGrpc.newBlockingStub(stage.channel());
    assertThat(write("a")).isEqualTo(1);
  }

  @AfterEach
  void close() {
    stage.close();
    writer.close();
    publisher.close();
  }

  private long write(String id) throws Exception {
    return writer.submit(new CatalogChange.Removal(id)).get().offset();
  }

  private void rollBack() {
    var unused = catalogue.rollBack(RollBackRequest.getDefaultInstance());
  }

  @Test
  void rollBack_writtenThoughTheAppendFailed_isPublishedAndWritesGoOn() throws Exception {
    log.doubt();
    assertThatThrownBy(this::rollBack).isInstanceOf(StatusRuntimeException.class);

    await().atMost(PATIENCE).until(() -> publisher.last().offset() == 2);

    assertThat(write("b")).isEqualTo(3);
    assertThat(publisher.last().manifest().itemCount()).isZero();
  }

  @Test
  void rollBack_writtenThoughTheAppendFailed_mayBeFollowedByAnotherAtOnce() throws Exception {
    log.doubt();
    assertThatThrownBy(this::rollBack).isInstanceOf(StatusRuntimeException.class);

    assertThat(catalogue.rollBack(RollBackRequest.getDefaultInstance()).getOffset()).isEqualTo(3);
    assertThat(write("b")).isEqualTo(4);
  }

  @Test
  void rollBack_notWritten_isForgotten() throws Exception {
    log.fail(true);
    assertThatThrownBy(this::rollBack).isInstanceOf(StatusRuntimeException.class);
    log.fail(false);

    assertThat(write("b")).isEqualTo(2);
    rollBack();
    assertThat(write("c")).isEqualTo(4);
    assertThat(publisher.last().offset()).isEqualTo(3);
  }

  @Test
  void rollBack_callerGaveUp_isNotBegun() throws Exception {
    Context.CancellableContext call = Context.current().withCancellation();
    call.cancel(null);

    assertThatThrownBy(
            () -> call.call(() -> publisher.rollBack(0, then -> writer.rollBack(0, then))))
        .isInstanceOf(CancellationException.class)
        .hasMessage("rollback: its caller gave up before it was begun");

    assertThat(log.end()).isEqualTo(1);
    assertThat(write("b")).isEqualTo(2);
  }
}

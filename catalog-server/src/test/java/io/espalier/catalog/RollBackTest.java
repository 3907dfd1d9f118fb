package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.CatalogServiceGrpc.CatalogServiceBlockingStub;
import io.espalier.catalog.v1.RollBackRequest;
import io.espalier.testing.ServedStage;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Returns whose writing fails, or nobody knows, or nobody waits for. */
class RollBackTest {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private PublishedCatalogue catalog;
  private ServedStage stage;
  private CatalogServiceBlockingStub catalogue;
  @TempDir Path dir;

  @BeforeEach
  void start() throws Exception {
    catalog = new PublishedCatalogue(dir);
    stage =
        ServedStage.of(
            "catalog", new CatalogService(catalog.writer, catalog.log, catalog.publisher));
    catalogue = CatalogServiceGrpc.newBlockingStub(stage.channel());
    assertThat(write("a")).isEqualTo(1);
  }

  @AfterEach
  void close() {
    stage.close();
    catalog.close();
  }

  private long write(String id) throws Exception {
    return catalog.writer.submit(new CatalogChange.Removal(id)).get().offset();
  }

  private void rollBack() {
    var unused = catalogue.rollBack(RollBackRequest.getDefaultInstance());
  }

  @Test
  void rollBack_writtenThoughTheAppendFailed_isPublishedAndWritesGoOn() throws Exception {
    catalog.log.doubt();
    assertThatThrownBy(this::rollBack).isInstanceOf(StatusRuntimeException.class);

    await().atMost(PATIENCE).until(() -> catalog.publisher.last().offset() == 2);

    assertThat(write("b")).isEqualTo(3);
    assertThat(catalog.publisher.last().manifest().itemCount()).isZero();
  }

  @Test
  void rollBack_writtenThoughTheAppendFailed_mayBeFollowedByAnotherAtOnce() throws Exception {
    catalog.log.doubt();
    assertThatThrownBy(this::rollBack).isInstanceOf(StatusRuntimeException.class);

    assertThat(catalogue.rollBack(RollBackRequest.getDefaultInstance()).getOffset()).isEqualTo(3);
    assertThat(write("b")).isEqualTo(4);
  }

  @Test
  void rollBack_notWritten_isForgotten() throws Exception {
    catalog.log.fail(true);
    assertThatThrownBy(this::rollBack).isInstanceOf(StatusRuntimeException.class);
    catalog.log.fail(false);

    assertThat(write("b")).isEqualTo(2);
    rollBack();
    assertThat(write("c")).isEqualTo(4);
    assertThat(catalog.publisher.last().offset()).isEqualTo(3);
  }

  @Test
  void rollBack_callerGaveUp_isNotBegun() throws Exception {
    Context.CancellableContext call = Context.current().withCancellation();
    call.cancel(null);

    assertThatThrownBy(
            () ->
                call.call(
                    () -> catalog.publisher.rollBack(0, then -> catalog.writer.rollBack(0, then))))
        .isInstanceOf(CancellationException.class)
        .hasMessage("rollback: its caller gave up before it was begun");

    assertThat(catalog.log.end()).isEqualTo(1);
    assertThat(write("b")).isEqualTo(2);
  }
}

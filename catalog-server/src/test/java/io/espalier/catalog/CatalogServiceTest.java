package io.espalier.catalog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.FollowRequest;
import io.espalier.catalog.v1.FollowResponse;
import io.espalier.catalog.v1.Item;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.UpdateResponse;
import io.espalier.catalog.v1.Value;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.testing.FunctionRunner;
import io.espalier.testing.MemoryLog;
import io.espalier.testing.ServedStage;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Changes that are too large or too many, and a writer that is short of memory. */
class CatalogServiceTest {
  private static final int MAX_BYTES = 1_000_000;
  // A bundle whose ids are long: an item that it knows is larger in the log than in its request.
  private static final BundleId WORDY = BundleId.parse("wordy@1");
  private static final List<Integer> LONG_ID = Collections.nCopies(100, 1);

  private final MemoryLog log = new MemoryLog(1);
  private CatalogWriter writer;
  private ServedStage stage;

  @BeforeEach
  void start() throws IOException {
    writer =
        CatalogWriter.start(
            log, Map.of(WORDY, new ItemCoder(Map.of("trained", LONG_ID), null)), Optional::empty);
    stage = ServedStage.of("catalog", new CatalogService(writer, log, null));
  }

  @AfterEach
  void close() {
    stage.close();
    writer.close();
  }

  @Test
  void update_changesBeyondTheLimit_areRefusedAndTheStreamGoesOn() throws Exception {
    Item longName = item("x").toBuilder().putAttributes("n".repeat(4_194_200), flag()).build();
    Item large = filled("x", MAX_BYTES + 1);

    List<UpdateResponse> answers =
        update(
            upsert(longName),
            upsert(item("x").toBuilder().putAttributes("", flag()).build()),
            upsert(large),
            upsert(filled("trained", MAX_BYTES)),
            upsert(filled("x", MAX_BYTES)),
            upsert(item("x").toBuilder().putAttributes("n".repeat(128), flag()).build()));

    assertThat(answers.stream().map(UpdateResponse::getError))
        .containsExactly(
            "attributes: a name of 4194200 characters (expected: 1 to 128)",
            "attributes: a name of 0 characters (expected: 1 to 128)",
            "change: 1000001 bytes (expected: at most 1000000)",
            "change: 1000113 bytes (expected: at most 1000000)",
            "",
            "");
    assertThat(answers.stream().map(UpdateResponse::getOffset))
        .containsExactly(0L, 0L, 0L, 0L, 1L, 2L);
  }

  /** Over a transport that has no thread of its own, so that what is not asked for stays here. */
  @Test
  void update_callerWhoDoesNotRead_isTakenNoMoreChangesFromUntilHeDoes() throws Exception {
    String name = UUID.randomUUID().toString();
    Server server =
        InProcessServerBuilder.forName(name)
            .directExecutor()
            .addService(new CatalogService(writer, log, null))
            .build()
            .start();
    ManagedChannel channel = InProcessChannelBuilder.forName(name).directExecutor().build();
    try {
      ClientCall<UpdateRequest, UpdateResponse> call =
          channel.newCall(CatalogServiceGrpc.getUpdateMethod(), CallOptions.DEFAULT);
      List<UpdateResponse> answers = new ArrayList<>();
      call.start(
          new ClientCall.Listener<>() {
            @Override
            public void onMessage(UpdateResponse answer) {
              answers.add(answer);
            }
          },
          new Metadata());
      UpdateRequest bad = remove("\uD83D\uDE00".repeat(1000));
      int sent = 0;
      for (; call.isReady() && sent < 10_000; sent++) {
        call.sendMessage(bad);
      }
      assertThat(sent).isEqualTo(1024);

      for (int read = 1; read <= 500; read++) {
        call.request(1);
        assertThat(answers).hasSize(read);
        assertThat(call.isReady()).isTrue();
        call.sendMessage(bad);
        assertThat(call.isReady()).isFalse();
      }
      call.halfClose();
      call.request(10_000);
      assertThat(answers).hasSize(1524);
      assertThat(answers)
          .allSatisfy(
              answer -> {
                assertThat(answer.getItemId()).isEqualTo("\uD83D\uDE00".repeat(128));
                assertThat(answer.getError()).startsWith("remove: 2000 characters");
              });
    } finally {
      channel.shutdownNow();
      server.shutdownNow();
    }
  }

  @Test
  void shown_idCutWithinACharacter_endsBeforeIt() {
    assertThat(UpdateRules.shown("x" + "\uD83D\uDE00".repeat(1000)))
        .isEqualTo("x" + "\uD83D\uDE00".repeat(127));
  }

  @Test
  void update_writerIsShortOfMemory_saysSoAndGoesOn() throws Exception {
    log.failWith(new OutOfMemoryError("the fake heap"));

    assertThatThrownBy(() -> update(remove("x")))
        .isInstanceOf(StatusException.class)
        .hasMessage("UNAVAILABLE: the catalogue's writer failed at these changes");

    assertThat(update(remove("x")).getFirst().getOffset()).isEqualTo(1);
    assertThat(writer.isRunning()).isTrue();
  }

  @Test
  void update_writerHasStopped_isRefusedAndTheServerIsNotReady() throws Exception {
    BundleRepository repository =
        BundleRepository.open(
            Path.of(System.getProperty("espalier.root", "..")).resolve("model-repo"));
    CatalogComponent component =
        CatalogComponent.start(
            repository,
            List.of(),
            log,
            new FunctionRunner(),
            OpenTelemetry.noop().getMeter("test"));
    EspalierServer server =
        component
            .install(EspalierServer.builder("catalog", ServerConfig.defaults()))
            .buildInProcess("stopped");
    assertThat(server.unready()).isEmpty();
    component.close();
    assertThat(server.unready()).containsExactly("the catalogue's writer");
    server.close();
    writer.close();

    assertThatThrownBy(() -> update(remove("x")))
        .isInstanceOf(StatusException.class)
        .hasMessage("UNAVAILABLE: the catalogue's writer is stopping");
  }

  @Test
  void send_writerDoesNotAnswer_givesUp() throws Exception {
    try (ServedStage silent = ServedStage.of("silent", new Silent())) {
      CatalogClient client = new CatalogClient(silent.channel(), Duration.ofMillis(1));

      assertThatThrownBy(() -> client.send(List.of(new CatalogChange.Removal("x"))))
          .isInstanceOf(StatusException.class)
          .hasMessageStartingWith(
              "DEADLINE_EXCEEDED: the catalogue's writer has not answered for 0 s");
    }
  }

  /** A writer that takes everything and answers nothing. */
  private static final class Silent extends CatalogServiceGrpc.CatalogServiceImplBase {
    @Override
    public StreamObserver<UpdateRequest> update(StreamObserver<UpdateResponse> responses) {
      return new StreamObserver<>() {
        @Override
        public void onNext(UpdateRequest change) {}

        @Override
        public void onError(Throwable failure) {}

        @Override
        public void onCompleted() {}
      };
    }
  }

  @Test
  void follow_manyLargeChanges_comeInMessagesThatAChannelTakes() throws Exception {
    Item[] items = new Item[20];
    for (int i = 0; i < items.length; i++) {
      items[i] = filled("item-" + i, MAX_BYTES - i * 50_000);
    }
    for (Item item : items) {
      assertThat(update(upsert(item)).getFirst().getError()).isEmpty();
    }

    Iterator<FollowResponse> responses =
        CatalogServiceGrpc.newBlockingStub(stage.channel())
            .follow(FollowRequest.getDefaultInstance());
    for (int next = 0; next < items.length; ) {
      FollowResponse response = responses.next();
      assertThat(response.getSerializedSize()).isLessThan(1_100_000);
      for (var change : response.getChangesList()) {
        assertThat(change.getUpsert()).isEqualTo(items[next++]);
      }
    }
  }

  @Test
  void follow_logIsCutBeforeWhatComesNext_isOutOfRange() throws Exception {
    int changes = 20;
    for (int i = 0; i < changes; i++) {
      assertThat(update(upsert(filled("item-" + i, MAX_BYTES))).getFirst().getError()).isEmpty();
    }
    Iterator<FollowResponse> responses =
        CatalogServiceGrpc.newBlockingStub(stage.channel())
            .follow(FollowRequest.getDefaultInstance());
    responses.next();

    // More is not sent to who does not read.
    log.dropBefore(changes);

    assertThatThrownBy(
            () -> {
              while (responses.hasNext()) {
                responses.next();
              }
            })
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.OUT_OF_RANGE));
  }

  private List<UpdateResponse> update(UpdateRequest... changes) throws Exception {
    BlockingClientCall<UpdateRequest, UpdateResponse> call =
        CatalogServiceGrpc.newBlockingV2Stub(stage.channel()).update();
    for (UpdateRequest change : changes) {
      call.write(change);
    }
    call.halfClose();
    List<UpdateResponse> answers = new ArrayList<>();
    for (UpdateResponse answer = call.read(); answer != null; answer = call.read()) {
      answers.add(answer);
    }
    return answers;
  }

  private static UpdateRequest upsert(Item item) {
    return UpdateRequest.newBuilder().setUpsert(item).build();
  }

  private static UpdateRequest remove(String id) {
    return UpdateRequest.newBuilder().setRemove(id).build();
  }

  private static Item item(String id) {
    return Item.newBuilder().setId(id).build();
  }

  /** An item whose upsert is of so many bytes. */
  private static Item filled(String id, int bytes) {
    Item.Builder item = item(id).toBuilder();
    for (int n = 0; size(item) < bytes - 8192; n++) {
      item.putAttributes("attribute-%03d".formatted(n), text(6000));
    }
    int length = bytes - size(item);
    do {
      item.setDescription("x".repeat(length--));
    } while (size(item) > bytes);
    assertThat(size(item)).isEqualTo(bytes);
    return item.build();
  }

  private static int size(Item.Builder item) {
    return upsert(item.build()).getSerializedSize();
  }

  private static Value text(int length) {
    return Value.newBuilder().setText("x".repeat(length)).build();
  }

  private static Value flag() {
    return Value.newBuilder().setFlag(true).build();
  }
}

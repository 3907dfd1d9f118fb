package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.SnapshotSettings;
import io.espalier.catalog.v1.CatalogServiceGrpc;
import io.espalier.catalog.v1.DriftRequest;
import io.espalier.catalog.v1.Equals;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.FollowRequest;
import io.espalier.catalog.v1.In;
import io.espalier.catalog.v1.Item;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.catalog.v1.ListSnapshotsRequest;
import io.espalier.catalog.v1.Operands;
import io.espalier.catalog.v1.PublishSnapshotRequest;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.RollBackRequest;
import io.espalier.catalog.v1.UpdateRequest;
import io.espalier.catalog.v1.Value;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.InferTensorContents;
import io.espalier.inference.oip.v2.ModelConfigRequest;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.inference.oip.v2.ModelInferRequest.InferInputTensor;
import io.espalier.inference.oip.v2.ModelMetadataRequest;
import io.espalier.inference.oip.v2.ModelReadyRequest;
import io.espalier.inference.oip.v2.ModelStatisticsRequest;
import io.espalier.inference.oip.v2.RepositoryIndexRequest;
import io.espalier.inference.oip.v2.RepositoryModelLoadRequest;
import io.espalier.inference.oip.v2.RepositoryModelUnloadRequest;
import io.espalier.ranking.v1.RankCandidate;
import io.espalier.ranking.v1.RankRequest;
import io.espalier.ranking.v1.RankingServiceGrpc;
import io.espalier.ranking.v1.SourceScore;
import io.espalier.retrieval.v1.Decoding;
import io.espalier.retrieval.v1.ExplainRequest;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.Sampling;
import io.espalier.rewrite.v1.RewriteRequest;
import io.espalier.rewrite.v1.RewriteServiceGrpc;
import io.espalier.router.StageChannels;
import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.router.v1.WhyNotRequest;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.users.EmbeddedUserStates;
import io.espalier.testing.ServedStage;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.opentelemetry.api.OpenTelemetry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every public service with the project's models behind it, asked by requests that were mutated: it
 * answers or refuses each and finds a reason for it; nothing crashes, nothing is UNKNOWN, no
 * exception is without a rule, and a sound request is answered after all of them.
 *
 * <p>{@code -Despalier.mutations=1000000} asks as many.
 */
class MutatedRequestsIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));
  private static final int REQUESTS = Integer.getInteger("espalier.mutations", 6_000);
  private static final int THREADS = 4;
  private static final String TEXT_MODEL = "shop-text-encode";

  /** What a caller may be told; the two that are missing are ours to be ashamed of. */
  private static final Set<Status.Code> HONEST =
      EnumSet.complementOf(
          EnumSet.of(Status.Code.UNKNOWN, Status.Code.INTERNAL, Status.Code.DATA_LOSS));

  @TempDir private static Path directory = Path.of("");
  private static final List<AutoCloseable> open = new ArrayList<>();
  private static final List<EspalierServer> servers = new ArrayList<>();
  private static final List<Target> targets = new ArrayList<>();
  private static DataFolder data;

  /**
   * A method.
   *
   * @param weight how often it is called, beside the others
   */
  private record Target(
      ManagedChannel channel,
      MethodDescriptor<?, ?> method,
      int weight,
      Function<Random, Message> sound) {}

  @BeforeAll
  static void serve() throws Exception {
    data = DataFolder.open(BuiltInShop.folder(ROOT));
    Deployment deployment = Deployment.of(BundleRepository.open(ROOT.resolve("model-repo")), data);
    StageServers stages =
        new StageServers(deployment, directory.resolve("none"))
            .withSnapshots(
                new SnapshotFolders(
                    FolderBlobs.open(directory.resolve("snapshots")),
                    directory.resolve("cache"),
                    SnapshotSettings.defaults()));
    LoadedModels models = stages.engine(stages.runner());
    open.add(models);
    AutoCloseable nothing = () -> {};
    BundleAdmin admin = stages.bundleAdmin();
    ManagedChannel catalog =
        start(
            stages.catalog(
                Stage.CATALOG.config(),
                directory.resolve("log").toString(),
                models,
                nothing,
                admin));
    ManagedChannel rewrite = start(stages.rewrite(Stage.REWRITE.config(), models, nothing, admin));
    ManagedChannel retrieval =
        start(stages.retrieval(Stage.RETRIEVAL.config(), models, nothing, catalog, admin));
    ManagedChannel ranking = start(stages.ranking(Stage.RANKING.config(), models, nothing, admin));
    EmbeddedUserStates users = EmbeddedUserStates.inMemory(10_000);
    users.load(data, 0);
    ManagedChannel router =
        start(
            stages.router(
                Stage.ROUTER.config(),
                new StageChannels(rewrite, retrieval, ranking),
                users,
                catalog));
    ManagedChannel inference =
        start(
            InferenceServer.of(
                ServeConfig.defaults(
                        Stage.INFERENCE,
                        ROOT.resolve("model-repo"),
                        ROOT,
                        directory.resolve("none"))
                    .with(
                        Map.of(
                            "inference.control",
                            "explicit",
                            "inference.load",
                            "[" + TEXT_MODEL + "]")),
                "test",
                OpenTelemetry.noop()));
    add(router, RouterServiceGrpc.getSearchMethod(), 20, MutatedRequestsIT::search);
    add(router, RouterServiceGrpc.getRecommendMethod(), 20, MutatedRequestsIT::recommend);
    add(router, RouterServiceGrpc.getWhyNotMethod(), 10, MutatedRequestsIT::whyNot);
    add(router, RouterServiceGrpc.getRecordEventsMethod(), 10, MutatedRequestsIT::record);
    add(
        router,
        RouterServiceGrpc.getEraseUserMethod(),
        3,
        random -> EraseUserRequest.newBuilder().setUserId(user(random)).build());
    add(
        rewrite,
        RewriteServiceGrpc.getRewriteMethod(),
        10,
        random ->
            bundle(deployment.rewriters(), random, RewriteRequest.newBuilder())
                .setQuery(query(random))
                .setMaxRewrites(3)
                .build());
    add(
        retrieval,
        RetrievalServiceGrpc.getRetrieveMethod(),
        20,
        random -> retrieve(deployment, random));
    add(
        retrieval,
        RetrievalServiceGrpc.getExplainMethod(),
        10,
        random ->
            ExplainRequest.newBuilder()
                .setRequest(retrieve(deployment, random))
                .setItemId(item(random))
                .build());
    add(ranking, RankingServiceGrpc.getRankMethod(), 10, random -> rank(deployment, random));
    add(catalog, CatalogServiceGrpc.getUpdateMethod(), 10, MutatedRequestsIT::update);
    add(
        catalog,
        CatalogServiceGrpc.getFollowMethod(),
        5,
        random ->
            FollowRequest.newBuilder()
                .setAfterOffset(data.items().size())
                .setAfterEpoch(random.nextLong())
                .build());
    add(catalog, CatalogServiceGrpc.getDriftMethod(), 1, r -> DriftRequest.getDefaultInstance());
    add(
        catalog,
        CatalogServiceGrpc.getListSnapshotsMethod(),
        1,
        random -> ListSnapshotsRequest.getDefaultInstance());
    add(
        catalog,
        CatalogServiceGrpc.getPublishSnapshotMethod(),
        1,
        random -> PublishSnapshotRequest.getDefaultInstance());
    add(
        catalog,
        CatalogServiceGrpc.getRollBackMethod(),
        1,
        random -> RollBackRequest.newBuilder().setSnapshotOffset(random.nextInt(9_000)).build());
    add(inference, GRPCInferenceServiceGrpc.getModelInferMethod(), 10, r -> infer());
    add(inference, GRPCInferenceServiceGrpc.getModelStreamInferMethod(), 5, r -> infer());
    add(
        inference,
        GRPCInferenceServiceGrpc.getModelReadyMethod(),
        1,
        r -> ModelReadyRequest.newBuilder().setName(TEXT_MODEL).setVersion("1").build());
    add(
        inference,
        GRPCInferenceServiceGrpc.getModelMetadataMethod(),
        1,
        r -> ModelMetadataRequest.newBuilder().setName(TEXT_MODEL).build());
    add(
        inference,
        GRPCInferenceServiceGrpc.getModelConfigMethod(),
        1,
        r -> ModelConfigRequest.newBuilder().setName(TEXT_MODEL).build());
    add(
        inference,
        GRPCInferenceServiceGrpc.getModelStatisticsMethod(),
        1,
        r -> ModelStatisticsRequest.newBuilder().setName(TEXT_MODEL).build());
    add(
        inference,
        GRPCInferenceServiceGrpc.getRepositoryIndexMethod(),
        1,
        r -> RepositoryIndexRequest.newBuilder().setReady(true).build());
    add(
        inference,
        GRPCInferenceServiceGrpc.getRepositoryModelLoadMethod(),
        2,
        r -> RepositoryModelLoadRequest.newBuilder().setModelName(TEXT_MODEL).build());
    add(
        inference,
        GRPCInferenceServiceGrpc.getRepositoryModelUnloadMethod(),
        1,
        r -> RepositoryModelUnloadRequest.newBuilder().setModelName("shop-ranker-query").build());
  }

  private static ManagedChannel start(EspalierServer.Builder builder) throws Exception {
    EspalierServer server = builder.buildInProcess(UUID.randomUUID().toString());
    open.add(server);
    servers.add(server.start());
    ManagedChannel channel = ClientChannels.open(server.target());
    open.add(channel::shutdownNow);
    return channel;
  }

  private static void add(
      ManagedChannel channel,
      MethodDescriptor<?, ?> method,
      int weight,
      Function<Random, Message> sound) {
    targets.add(new Target(channel, method, weight, sound));
  }

  @AfterAll
  static void close() throws Exception {
    for (AutoCloseable closeable : open.reversed()) {
      closeable.close();
    }
  }

  private static String user(Random random) {
    return data.sequences().get(random.nextInt(data.sequences().size())).user();
  }

  private static String item(Random random) {
    return data.items().get(random.nextInt(data.items().size())).id();
  }

  private static String query(Random random) {
    return data.queries().get(random.nextInt(data.queries().size())).query();
  }

  private static Filter filter(Random random) {
    Filter brand =
        Filter.newBuilder()
            .setEquals(
                Equals.newBuilder().setAttribute("brand").setValue(Value.newBuilder().setText("A")))
            .build();
    return Filter.newBuilder()
        .setAnyOf(
            Operands.newBuilder()
                .addFilters(Filter.newBuilder().setNot(brand))
                .addFilters(
                    Filter.newBuilder()
                        .setRange(Range.newBuilder().setAttribute("price").setMin(1).setMax(90)))
                .addFilters(
                    Filter.newBuilder()
                        .setIn(
                            In.newBuilder()
                                .setAttribute("category")
                                .addValues(Value.newBuilder().setText("Audio"))))
                .addFilters(Filter.newBuilder().setIds(ItemIds.newBuilder().addIds(item(random)))))
        .build();
  }

  private static ListOptions options(Random random) {
    ListOptions.Builder options =
        ListOptions.newBuilder().setPageSize(5).putContext("device", "phone");
    if (random.nextInt(3) == 0) {
      options.setFilter(filter(random));
    }
    return options.build();
  }

  private static Message search(Random random) {
    return SearchRequest.newBuilder()
        .setQuery(query(random))
        .setUser(User.newBuilder().setId(user(random)))
        .setOptions(options(random))
        .build();
  }

  private static Message recommend(Random random) {
    return RecommendRequest.newBuilder()
        .setUser(
            User.newBuilder()
                .setId(user(random))
                .addRecentEvents(Event.newBuilder().setItemId(item(random))))
        .setOptions(options(random))
        .build();
  }

  private static Message whyNot(Random random) {
    return WhyNotRequest.newBuilder()
        .setItemId(item(random))
        .setRecommend((RecommendRequest) recommend(random))
        .build();
  }

  private static Message record(Random random) {
    return RecordEventsRequest.newBuilder()
        .setUserId(user(random))
        .addEvents(
            Event.newBuilder()
                .setEventId(Long.toHexString(random.nextLong()))
                .setItemId(item(random))
                .setKind(EventKind.EVENT_KIND_CLICK))
        .build();
  }

  private static RewriteRequest.Builder bundle(
      List<BundleId> bundles, Random random, RewriteRequest.Builder request) {
    BundleId bundle = bundles.get(random.nextInt(bundles.size()));
    return request.setBundle(bundle.name()).setBundleVersion(bundle.version());
  }

  private static RetrieveRequest retrieve(Deployment deployment, Random random) {
    BundleId bundle = deployment.sources().get(random.nextInt(deployment.sources().size()));
    RetrieveRequest.Builder request =
        RetrieveRequest.newBuilder()
            .setBundle(bundle.name())
            .setBundleVersion(bundle.version())
            .setK(5)
            .addHistory(item(random))
            .addHistory(item(random))
            .setQuery(query(random))
            .addExclude(item(random));
    if (random.nextBoolean()) {
      request.setFilter(filter(random));
    }
    if (random.nextInt(4) == 0) {
      request.setDecoding(
          Decoding.newBuilder().setSampling(Sampling.newBuilder().setTemperature(.5).setSeed(1)));
    }
    return request.build();
  }

  private static Message rank(Deployment deployment, Random random) {
    BundleId bundle = deployment.rankers().get(random.nextInt(deployment.rankers().size()));
    RankRequest.Builder request =
        RankRequest.newBuilder()
            .setBundle(bundle.name())
            .setBundleVersion(bundle.version())
            .addHistory(item(random))
            .setQuery(query(random));
    for (int i = 0; i < 4; i++) {
      request.addCandidates(
          RankCandidate.newBuilder()
              .setItemId(item(random))
              .addSourceScores(SourceScore.newBuilder().setSource("s").setScore(i)));
    }
    return request.build();
  }

  private static Message update(Random random) {
    return random.nextInt(4) == 0
        ? UpdateRequest.newBuilder().setRemove("m" + random.nextInt(50)).build()
        : UpdateRequest.newBuilder()
            .setUpsert(
                Item.newBuilder()
                    .setId("m" + random.nextInt(50))
                    .setTitle(query(random))
                    .setBrand("Acme")
                    .addCategory("Audio")
                    .setPrice(3)
                    .putAttributes("color", Value.newBuilder().setText("red").build()))
            .build();
  }

  private static Message infer() {
    ModelInferRequest.Builder request = ModelInferRequest.newBuilder().setModelName(TEXT_MODEL);
    for (String input : List.of("input_ids", "attention_mask")) {
      request.addInputs(
          InferInputTensor.newBuilder()
              .setName(input)
              .setDatatype("INT64")
              .addAllShape(List.of(1L, 3L))
              .setContents(
                  InferTensorContents.newBuilder().addAllInt64Contents(List.of(1L, 1L, 1L))));
    }
    return request.build();
  }

  @Test
  void everyMethod_mutatedRequests_isAnsweredOrRefusedHonestly() throws Exception {
    long seed = Long.getLong("espalier.seed", ThreadLocalRandom.current().nextLong());
    System.out.println("MutatedRequestsIT seed: " + seed + ", requests: " + REQUESTS);
    List<Target> drawn = new ArrayList<>();
    targets.forEach(target -> drawn.addAll(Collections.nCopies(target.weight(), target)));
    List<String> words = words();
    Map<String, Map<Status.Code, Integer>> codes = Collections.synchronizedMap(new TreeMap<>());
    Queue<String> dishonest = new ConcurrentLinkedQueue<>();
    AtomicInteger number = new AtomicInteger();
    try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
      List<Future<?>> running = new ArrayList<>();
      for (int thread = 0; thread < THREADS; thread++) {
        long own = seed + thread;
        running.add(
            threads.submit(
                () -> {
                  Random random = new Random(own);
                  MutatedMessages messages = new MutatedMessages(own, words);
                  while (number.getAndIncrement() < REQUESTS) {
                    Target target = drawn.get(random.nextInt(drawn.size()));
                    byte[] request = messages.of(target.sound().apply(random));
                    Status status = call(target, request, 2);
                    String method = target.method().getFullMethodName();
                    codes
                        .computeIfAbsent(
                            method,
                            m -> Collections.synchronizedMap(new EnumMap<>(Status.Code.class)))
                        .merge(status.getCode(), 1, Integer::sum);
                    if (!isHonest(status)) {
                      dishonest.add(
                          method
                              + " "
                              + status
                              + " "
                              + java.util.HexFormat.of().formatHex(request));
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> one : running) {
        one.get();
      }
    }
    codes.forEach((method, counts) -> System.out.println(method + " " + counts));
    assertThat(dishonest).as("seed %d", seed).isEmpty();
    for (EspalierServer server : servers) {
      assertThat(server.unmappedExceptions()).as("%s, seed %d", server.target(), seed).isZero();
    }
    assertThat(codes).hasSameSizeAs(targets);
    Map<Status.Code, Integer> all = new EnumMap<>(Status.Code.class);
    codes.values().forEach(counts -> counts.forEach((c, n) -> all.merge(c, n, Integer::sum)));
    // Neither so spoilt that nothing gets in, nor so little that nothing is refused.
    assertThat(all.get(Status.Code.OK)).isGreaterThan(REQUESTS / 10);
    assertThat(all.get(Status.Code.INVALID_ARGUMENT)).isGreaterThan(REQUESTS / 10);
    Random random = new Random(seed);
    for (Target target : targets) {
      // Of the others a sound request may ask for what its bundle cannot do.
      String service = String.valueOf(target.method().getServiceName());
      if (service.endsWith("RouterService") && target.weight() >= 10) {
        assertThat(call(target, target.sound().apply(random).toByteArray(), 60).getCode())
            .as(target.method().getFullMethodName())
            .isIn(Status.Code.OK, Status.Code.NOT_FOUND);
      }
    }
  }

  /**
   * Model control answers as Triton does: what cannot be loaded is INTERNAL there, in its words.
   */
  private static boolean isHonest(Status status) {
    String words = String.valueOf(status.getDescription());
    return HONEST.contains(status.getCode())
        || (status.getCode() == Status.Code.INTERNAL && words.startsWith("failed to load '"));
  }

  private static List<String> words() {
    List<String> words = new ArrayList<>(List.of("brand", "price", "stock", "search", "feed"));
    Random random = new Random(1);
    for (int i = 0; i < 20; i++) {
      words.addAll(List.of(item(random), user(random), query(random)));
    }
    return words;
  }

  /** Calls any kind of method with one request; a stream is cancelled after its first answer. */
  private static Status call(Target target, byte[] request, int seconds) throws Exception {
    CompletableFuture<Status> ended = new CompletableFuture<>();
    boolean stream = target.method().getType() == MethodDescriptor.MethodType.SERVER_STREAMING;
    ClientCall<byte[], byte[]> call =
        target
            .channel()
            .newCall(
                ServedStage.raw(target.method()),
                CallOptions.DEFAULT.withDeadlineAfter(seconds, TimeUnit.SECONDS));
    call.start(
        new ClientCall.Listener<>() {
          @Override
          public void onMessage(byte[] message) {
            if (stream) {
              ended.complete(Status.OK);
              call.cancel("enough", null);
            }
          }

          @Override
          public void onClose(Status status, @Nullable Metadata trailers) {
            ended.complete(status);
          }
        },
        new Metadata());
    call.request(1_000);
    call.sendMessage(request);
    call.halfClose();
    return ended.get(seconds + 60, TimeUnit.SECONDS);
  }

  @Test
  void message_ofOneByte_isMalformedEverywhere() throws Exception {
    for (Target target : targets) {
      Status status = call(target, ByteString.fromHex("0a").toByteArray(), 20);
      assertThat(status.getCode())
          .as(target.method().getFullMethodName())
          .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }
  }
}

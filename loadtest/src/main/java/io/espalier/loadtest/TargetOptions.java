package io.espalier.loadtest;

import static java.util.stream.Collectors.joining;

import io.espalier.bundles.BundleId;
import io.espalier.inference.oip.v2.GRPCInferenceServiceGrpc;
import io.espalier.inference.oip.v2.ModelInferRequest;
import io.espalier.loadtest.driver.GrpcTarget;
import io.espalier.loadtest.driver.HttpTarget;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Target;
import io.espalier.loadtest.shapes.Asked;
import io.espalier.loadtest.shapes.Shape;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.server.Caller;
import io.espalier.server.CallerConfig;
import io.espalier.server.ClientChannels;
import io.espalier.server.Secret;
import io.espalier.server.Tenant;
import io.espalier.server.TlsConfig;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.LoggedQuery;
import io.espalier.stores.catalog.UserSequence;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which call of which server is driven, and what is asked. */
final class TargetOptions {
  /** A call that can be driven. */
  enum Call {
    /** One source, with users' histories. */
    RETRIEVE,
    /** A feed, for users. */
    RECOMMEND,
    /** A search, with logged queries. */
    SEARCH,
    /** A model behind the Open Inference Protocol that answers as one source does. */
    INFER,
    /** A web service that answers as one source does. */
    HTTP
  }

  @Option(
      names = "--target",
      description = "The server; of http its URL (default: ${DEFAULT-VALUE}).")
  private String target = "127.0.0.1:7700";

  @Option(names = "--call", description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  private Call call = Call.RECOMMEND;

  @Option(
      names = "--data",
      description = "Where users and queries come from (default: ${DEFAULT-VALUE}).")
  private Path data = Path.of(".espalier/shop");

  @Option(names = "--bundle", description = "The source, of retrieve (default: ${DEFAULT-VALUE}).")
  private String bundle = "shop-tiger@1";

  @Option(names = "--model", description = "Of infer (default: ${DEFAULT-VALUE}).")
  private String model = "recommender";

  @Option(
      names = "--body",
      description =
          "Of http, with @history@ where the list of ids goes and @k@ where the number of items"
              + " does (default: ${DEFAULT-VALUE}).")
  private String body = "{\"history\": @history@, \"k\": @k@}";

  @Option(names = "--k", description = "Items asked for (default: ${DEFAULT-VALUE}).")
  private int k = 20;

  @Option(names = "--beams", description = "Beams of retrieve; 0: the bundle's own (default: 0).")
  private int beams;

  @Option(names = "--deadline-ms", description = "Of a request (default: ${DEFAULT-VALUE}).")
  private int deadlineMillis = 2000;

  @Option(names = "--connections", description = "To the server (default: ${DEFAULT-VALUE}).")
  private int connections = 4;

  @Option(
      names = "--ca",
      description = "Call over TLS, trusting these authorities (PEM), or system: the system's.")
  private String ca = "";

  @Option(names = "--cert", description = "The driver's certificate (PEM).")
  private String certificate = "";

  @Option(names = "--key", description = "Its private key (PEM, PKCS #8).")
  private String key = "";

  @Option(names = "--token-file", description = "A file with the token to send.")
  private @Nullable Path tokenFile;

  @Option(
      names = "--seed",
      description = "Of arrivals and the order of requests (default: ${DEFAULT-VALUE}).")
  private long seed = 1;

  long seed() {
    return seed;
  }

  /** What is driven, for a reader. */
  String description() {
    return call.name().toLowerCase(Locale.ROOT) + " of " + target;
  }

  /**
   * Says that a shape cannot be had here.
   *
   * @throws IllegalArgumentException when it asks what this call has no unseen questions for
   */
  void check(String name, Shape shape) {
    if (shape.cold() && (call == Call.INFER || call == Call.HTTP)) {
      throw new IllegalArgumentException(
          "%s: cold (expected: a call of retrieve, recommend or search; what others keep is not known)"
              .formatted(name));
    }
  }

  /** The requests of a tenant, over connections of its own. */
  Target target(String tenant) {
    Target anybody = target();
    Context context = Context.current().withValue(Tenant.KEY, tenant);
    return (number, done) -> context.run(() -> anybody.send(number, done));
  }

  private Caller caller() {
    TlsConfig plain = TlsConfig.off();
    Path file = tokenFile;
    return Caller.open(
        new CallerConfig(
            new TlsConfig(certificate, key, ca, plain.minVersion(), plain.reload()),
            file == null ? Secret.none() : Secret.in(file)));
  }

  /** The requests of a caller who says nothing of himself. */
  Target target() {
    return target(number -> Asked.USUAL);
  }

  /**
   * The same.
   *
   * @param asked what kind of question the request with a number is
   */
  Target target(IntFunction<Asked> asked) {
    DataFolder folder = DataFolder.open(data);
    return switch (call) {
      case RETRIEVE -> {
        List<RetrieveRequest> usual =
            shuffled(folder.sequences().stream().map(user -> retrieve(history(folder, user))));
        UnseenFilters filters = new UnseenFilters(seed);
        yield target(
            RetrievalServiceGrpc.getRetrieveMethod(),
            number ->
                switch (asked.apply(number)) {
                  case USUAL -> nth(usual, number);
                  case HOT_USER -> usual.getFirst();
                  case UNSEEN -> nth(usual, number).toBuilder().setFilter(filters.next()).build();
                },
            (request, answer) -> Outcome.OK);
      }
      case RECOMMEND -> {
        List<RecommendRequest> usual = shuffled(folder.sequences().stream().map(this::recommend));
        UnseenFilters filters = new UnseenFilters(seed);
        yield target(
            RouterServiceGrpc.getRecommendMethod(),
            number ->
                switch (asked.apply(number)) {
                  case USUAL -> nth(usual, number);
                  case HOT_USER -> usual.getFirst();
                  case UNSEEN -> {
                    RecommendRequest.Builder unseen = nth(usual, number).toBuilder();
                    unseen.getOptionsBuilder().setFilter(filters.next());
                    yield unseen.build();
                  }
                },
            (request, answer) -> judge(answer.getPage()));
      }
      case SEARCH -> {
        List<SearchRequest> usual =
            shuffled(
                folder.queries().stream().map(LoggedQuery::query).distinct().map(this::search));
        UnseenQueries unseen =
            new UnseenQueries(usual.stream().map(SearchRequest::getQuery).toList(), seed);
        // Searches need no users: a folder may have none.
        String id = folder.sequences().stream().map(UserSequence::user).findFirst().orElse("hot");
        User hot = User.newBuilder().setId(id).build();
        yield target(
            RouterServiceGrpc.getSearchMethod(),
            number ->
                switch (asked.apply(number)) {
                  case USUAL -> nth(usual, number);
                  case HOT_USER -> nth(usual, number).toBuilder().setUser(hot).build();
                  case UNSEEN -> search(unseen.next());
                },
            (request, answer) -> judge(answer.getPage()));
      }
      case INFER -> {
        List<ModelInferRequest> usual =
            shuffled(
                folder.sequences().stream()
                    .map(user -> HistoryTensors.request(model, history(folder, user), k)));
        yield target(
            GRPCInferenceServiceGrpc.getModelInferMethod(),
            number -> nth(usual, number, asked),
            (request, answer) -> answer.getOutputsCount() > 0 ? Outcome.OK : Outcome.FAILED);
      }
      case HTTP -> {
        List<byte[]> usual =
            shuffled(
                folder.sequences().stream()
                    .map(user -> filled(history(folder, user)).getBytes(StandardCharsets.UTF_8)));
        yield new HttpTarget(
            URI.create(target),
            Duration.ofMillis(deadlineMillis),
            number -> nth(usual, number, asked));
      }
    };
  }

  private <Q> List<Q> shuffled(Stream<Q> requests) {
    List<Q> all = new ArrayList<>(requests.toList());
    if (all.isEmpty()) {
      throw new IllegalArgumentException(
          data + ": nothing to ask (expected: sequences.tsv, or queries.tsv for search)");
    }
    Collections.shuffle(all, new Random(seed));
    return all;
  }

  private static <Q> Q nth(List<Q> all, int number) {
    return all.get(number % all.size());
  }

  private static <Q> Q nth(List<Q> all, int number, IntFunction<Asked> asked) {
    return asked.apply(number) == Asked.HOT_USER ? all.getFirst() : nth(all, number);
  }

  private <Q, A> Target target(
      MethodDescriptor<Q, A> method, IntFunction<Q> requests, GrpcTarget.Judge<Q, A> judge) {
    Caller caller = caller();
    List<ManagedChannel> channels =
        Stream.generate(() -> ClientChannels.open(target, caller)).limit(connections).toList();
    return new GrpcTarget<>(channels, method, Duration.ofMillis(deadlineMillis), requests, judge);
  }

  private static List<String> history(DataFolder folder, UserSequence user) {
    return Arrays.stream(user.items()).mapToObj(item -> folder.item(item).id()).toList();
  }

  /** The body of a request; ids are taken to need no escapes. */
  private String filled(List<String> history) {
    String ids = history.stream().map(id -> '"' + id + '"').collect(joining(",", "[", "]"));
    return body.replace("@k@", Integer.toString(k)).replace("@history@", ids);
  }

  private RetrieveRequest retrieve(List<String> history) {
    BundleId source = BundleId.parse(bundle);
    return RetrieveRequest.newBuilder()
        .setBundle(source.name())
        .setBundleVersion(source.version())
        .setK(k)
        .setBeamWidth(beams)
        .addAllHistory(history)
        .addAllExclude(history)
        .build();
  }

  private RecommendRequest recommend(UserSequence user) {
    return RecommendRequest.newBuilder()
        .setUser(User.newBuilder().setId(user.user()))
        .setOptions(ListOptions.newBuilder().setPageSize(k))
        .build();
  }

  private SearchRequest search(String query) {
    return SearchRequest.newBuilder()
        .setQuery(query)
        .setOptions(ListOptions.newBuilder().setPageSize(k))
        .build();
  }

  private static Outcome judge(ResultPage page) {
    return page.getDegradationsCount() > 0 ? Outcome.DEGRADED : Outcome.OK;
  }
}

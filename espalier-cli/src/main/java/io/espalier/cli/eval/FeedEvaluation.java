package io.espalier.cli.eval;

import io.espalier.cli.show.ProgressBar;
import io.espalier.cli.show.Terminal;
import io.espalier.events.v1.Event;
import io.espalier.retrieval.v1.Candidate;
import io.espalier.retrieval.v1.RetrievalServiceGrpc;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.retrieval.v1.RetrieveResponse;
import io.espalier.router.v1.ExplanationLevel;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.User;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.UserSequence;
import io.grpc.Channel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Leave-one-out over every user, full ranking, no sampled negatives: the input is everything but
 * the last item, which is the target. Each source is asked by itself through the retrieval service,
 * the route through the router.
 */
public final class FeedEvaluation {
  /** The most events that a request may carry; the most recent are kept. */
  private static final int MOST_EVENTS = 1000;

  private final DataFolder data;
  private final Channel router;
  private final Channel retrieval;
  private final String route;
  private final boolean maskSeen;
  private final int inFlight;
  private final Terminal terminal;
  private final List<Case> cases;
  private final Set<String> catalogue;

  private record Case(String user, List<String> history, String target) {}

  /**
   * An evaluation of {@code route} on {@code data}.
   *
   * @param maskSeen whether items of the history may not be returned, by any source
   * @param mostUsers users are evenly spaced when there are more
   */
  public FeedEvaluation(
      DataFolder data,
      Channel router,
      Channel retrieval,
      String route,
      boolean maskSeen,
      int mostUsers,
      int inFlight,
      Terminal terminal) {
    this.data = data;
    this.router = router;
    this.retrieval = retrieval;
    this.route = route;
    this.maskSeen = maskSeen;
    this.inFlight = inFlight;
    this.terminal = terminal;
    this.cases = cases(mostUsers);
    this.catalogue =
        data.items().stream().map(CatalogItem::id).collect(Collectors.toUnmodifiableSet());
  }

  private List<Case> cases(int mostUsers) {
    List<UserSequence> users = data.sequences().stream().filter(u -> u.length() >= 2).toList();
    int count = Math.min(mostUsers, users.size());
    List<Case> cases = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      UserSequence user = users.get((int) ((long) i * users.size() / count));
      List<String> history =
          Arrays.stream(user.first(user.length() - 1))
              .mapToObj(item -> data.item(item).id())
              .toList();
      cases.add(new Case(user.user(), history, data.item(user.item(user.length() - 1)).id()));
    }
    return cases;
  }

  /** How many users take part. */
  public int users() {
    return cases.size();
  }

  /** Measures one source by itself. */
  Figures measure(SourceUnderTest source) {
    RetrievalServiceGrpc.RetrievalServiceBlockingStub stub =
        RetrievalServiceGrpc.newBlockingStub(retrieval);
    return measure(
        source.label(),
        source.k(),
        user -> {
          RetrieveRequest.Builder request =
              RetrieveRequest.newBuilder()
                  .setBundle(source.bundle())
                  .setBundleVersion(source.version())
                  .setK(source.k())
                  .setBeamWidth(source.beam())
                  .addAllHistory(user.history());
          if (maskSeen) {
            request.addAllExclude(user.history());
          }
          RetrieveResponse response =
              stub.withDeadlineAfter(EvalReport.CALL_SECONDS, TimeUnit.SECONDS)
                  .retrieve(request.build());
          return Answer.of(
              response.getCandidatesList().stream().map(Candidate::getItemId).toList());
        });
  }

  /** Measures the whole route. */
  Figures measureRoute() {
    RouterServiceGrpc.RouterServiceBlockingStub stub = RouterServiceGrpc.newBlockingStub(router);
    return measure(
        "route",
        Figures.DEPTH,
        user -> {
          User.Builder asking = User.newBuilder();
          List<String> history = user.history();
          for (String item :
              history.subList(Math.max(0, history.size() - MOST_EVENTS), history.size())) {
            asking.addRecentEvents(Event.newBuilder().setItemId(item));
          }
          RecommendResponse response =
              stub.withDeadlineAfter(EvalReport.CALL_SECONDS, TimeUnit.SECONDS)
                  .recommend(
                      RecommendRequest.newBuilder()
                          .setUser(asking)
                          .setOptions(
                              ListOptions.newBuilder()
                                  .setRoute(route)
                                  .setPageSize(Figures.DEPTH)
                                  .setExplanation(ExplanationLevel.EXPLANATION_LEVEL_NONE))
                          .build());
          return Answer.of(response.getPage());
        });
  }

  private interface Asking {
    Answer ask(Case user);
  }

  private Figures measure(String label, int asked, Asking asking) {
    Figures figures = new Figures(label, "users", cases.size(), asked);
    try (ProgressBar progress = new ProgressBar(terminal, label, cases.size())) {
      InFlight.run(
          cases.size(),
          inFlight,
          progress,
          i -> {
            Case user = cases.get(i);
            Set<String> forbidden = maskSeen ? Set.copyOf(user.history()) : Set.of();
            figures.record(i, asking.ask(user), user.target(), catalogue, forbidden);
          });
    }
    return figures;
  }

  /**
   * What a generator that knows its users' taste would have answered, where the data folder says so
   * ({@code oracle.tsv}): the most that any model can reach.
   */
  private Optional<Figures> measureOracle() {
    Path file = data.directory().resolve("oracle.tsv");
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    Map<String, List<String>> lists = new HashMap<>();
    try (Stream<String> lines = Files.lines(file)) {
      lines.forEach(
          line -> {
            String[] fields = line.split("\t", -1);
            lists.put(
                fields[0],
                Pattern.compile(" ")
                    .splitAsStream(fields[1])
                    .map(number -> data.item(Integer.parseInt(number)).id())
                    .toList());
          });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return Optional.of(
        measure(
            "oracle",
            Figures.DEPTH,
            user -> Answer.of(lists.getOrDefault(user.user(), List.of()))));
  }

  /** Measures every source, then the route. */
  public EvalReport run(List<SourceUnderTest> sources) {
    List<Figures> all = new ArrayList<>();
    for (SourceUnderTest source : sources) {
      all.add(measure(source));
    }
    all.add(measureRoute());
    return new EvalReport(all, measureOracle(), Optional.of(exposure(all)));
  }

  private ExposureReport exposure(List<Figures> figures) {
    Exposure histories = new Exposure();
    cases.forEach(user -> user.history().forEach(histories::show));
    List<String> items = data.items().stream().map(CatalogItem::id).toList();
    return new ExposureReport(items, histories, figures);
  }
}

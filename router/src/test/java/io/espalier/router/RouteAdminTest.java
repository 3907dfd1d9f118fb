package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import io.espalier.admin.v1.AbortCanaryRequest;
import io.espalier.admin.v1.ApplyRoutesRequest;
import io.espalier.admin.v1.ListRoutesRequest;
import io.espalier.admin.v1.ListRoutesResponse;
import io.espalier.admin.v1.PromoteCanaryRequest;
import io.espalier.admin.v1.RevisionInfo;
import io.espalier.admin.v1.RollBackRoutesRequest;
import io.espalier.admin.v1.RollBackRoutesResponse;
import io.espalier.admin.v1.RouteFile;
import io.espalier.admin.v1.RouteStatus;
import io.espalier.admin.v1.StartCanaryRequest;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.User;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.inprocess.InProcessChannelBuilder;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Routes that change while a router answers. */
class RouteAdminTest {
  private static final int USERS = 4_000;
  private static final int SWITCHES = 300;
  private static final String[] ALL = {"source@1", "source@2", "ranker@1", "ranker@2"};

  private RunningRouter router;

  @BeforeEach
  void start() {
    router = new RunningRouter(route(1));
    for (int version = 1; version <= 2; version++) {
      router
          .stages
          .source("source@" + version, FakeStages.items("v" + version + "-", 40))
          .reversingRanker("ranker@" + version);
    }
    router.stages.ready(ALL);
  }

  @AfterEach
  void close() {
    assertThat(router.server.unmappedExceptions()).isZero();
    router.close();
  }

  private static String route(int version) {
    return """
        name: feed
        kind: feed
        deadline: 60s
        mask_seen: false
        sources: [{bundle: source@%d, budget: {share: 1}, optional: false}]
        merge: {method: ranker}
        ranking: {bundle: ranker@%d, candidates: 20, optional: false}
        """
        .formatted(version, version);
  }

  private static ApplyRoutesRequest.Builder apply(String yaml) {
    return ApplyRoutesRequest.newBuilder()
        .addRoutes(RouteFile.newBuilder().setSource("feed.yaml").setYaml(yaml));
  }

  private ListRoutesResponse list() {
    return router.admin().listRoutes(ListRoutesRequest.getDefaultInstance());
  }

  private ResultPage feed(String user) {
    return feed(user, "");
  }

  private ResultPage feed(String user, String arm) {
    return router
        .stub()
        .recommend(
            RecommendRequest.newBuilder()
                .setUser(User.newBuilder().setId(user))
                .setOptions(ListOptions.newBuilder().setArm(arm))
                .build())
        .getPage();
  }

  /** The version that made a page, which every item of it and every stage must be of. */
  private static int version(ResultPage page) {
    Set<Integer> versions = new HashSet<>();
    page.getBundlesList().forEach(bundle -> versions.add(bundle.getVersion()));
    assertThat(page.getBundlesCount()).as(page.toString()).isEqualTo(2);
    assertThat(versions).as(page.toString()).hasSize(1);
    int version = versions.iterator().next();
    assertThat(page.getItemsList())
        .extracting(ResultItem::getItemId)
        .hasSize(20)
        .allMatch(id -> id.startsWith("v" + version + "-"));
    return version;
  }

  private static Status refusal(ThrowingCall call) {
    StatusRuntimeException refused = catchThrowableOfType(StatusRuntimeException.class, call::run);
    assertThat(refused).isNotNull();
    return refused.getStatus();
  }

  private interface ThrowingCall {
    void run();
  }

  @Test
  void applyRoutes_readyBundles_holdsFromThenOn() {
    assertThat(version(feed("u"))).isEqualTo(1);

    assertThat(router.admin().applyRoutes(apply(route(2)).build()).getRevision()).isEqualTo(2);

    assertThat(version(feed("u"))).isEqualTo(2);
    ListRoutesResponse routes = list();
    assertThat(routes.getRevision()).isEqualTo(2);
    assertThat(routes.getRoutesList()).extracting(RouteStatus::getName).containsExactly("feed");
    assertThat(routes.getRoutes(0).getBundlesList()).containsExactly("ranker@2", "source@2");
    assertThat(RouteFileYaml.parse(routes.getRoutes(0).getYaml()).bundles())
        .hasToString("[ranker@2, source@2]");
    assertThat(routes.getEarlierList())
        .extracting(RevisionInfo::getRevision, RevisionInfo::getChange)
        .containsExactly(tuple(1L, "the router's files"));
  }

  @Test
  void applyRoutes_bundleThatAStageDoesNotHave_isRefusedAndTheOldRouteGoesOn() {
    router.stages.ready("source@1", "ranker@1", "source@2");

    Status status = refusal(() -> router.admin().applyRoutes(apply(route(2)).build()));

    assertThat(status.getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
    assertThat(status.getDescription())
        .isEqualTo(
            "routes: ranker@2: not loaded at ranking ranking (expected: SERVING at every replica)");
    assertThat(version(feed("u"))).isEqualTo(1);
    assertThat(list().getRevision()).isEqualTo(1);
    assertThat(list().getEarlierCount()).isZero();
  }

  @Test
  void applyRoutes_oneReplicaOfTwoLacksIt_isRefused() {
    try (FakeStages second = new FakeStages()) {
      second.ready("source@1", "ranker@1");
      StageReplicas replicas =
          new StageReplicas(
              () -> Map.of("a", router.stages.channels().rewrite()),
              () ->
                  Map.of(
                      "a",
                      router.stages.channels().retrieval(),
                      "b",
                      second.channels().retrieval()),
              () -> Map.of("a", router.stages.channels().ranking()));
      try (RunningRouter two = new RunningRouter(builder -> builder.replicas(replicas), route(1))) {
        Status status = refusal(() -> two.admin().applyRoutes(apply(route(2)).build()));
        assertThat(status.getDescription()).contains("source@2: not loaded at retrieval b (");
        second.ready("source@1", "source@2");
        assertThat(two.admin().applyRoutes(apply(route(2)).build()).getRevision()).isEqualTo(2);
      }
    }
  }

  @Test
  void applyRoutes_replicaThatDoesNotAnswer_isRefused() {
    ManagedChannel nowhere = InProcessChannelBuilder.forName("no-such-server").build();
    StageReplicas replicas =
        new StageReplicas(
            () -> Map.of(), () -> Map.of("gone", nowhere), () -> Map.of("gone", nowhere));
    try (RunningRouter alone = new RunningRouter(builder -> builder.replicas(replicas), route(1))) {
      Status status = refusal(() -> alone.admin().applyRoutes(apply(route(2)).build()));
      assertThat(status.getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
      assertThat(status.getDescription()).contains("at retrieval gone");
    } finally {
      nowhere.shutdownNow();
    }
  }

  @Test
  void applyRoutes_brokenRoutes_areRefusedAsAtStart() {
    Map<String, String> broken =
        Map.of(
            route(2).replace("source@2", "source"),
            "bundle: source (expected: name@version)",
            route(2) + "knd: feed\n",
            "knd: unknown key (nearest known key: kind)",
            route(2) + "rules: [{pin: {ids: [a], position: 0}}]\n",
            "a router with the catalogue",
            route(2) + "shadow: {share: 2, override: {}}\n",
            "share: 2.0 (expected: 0 < share <= 1)",
            "- a",
            "a map of keys");
    broken.forEach(
        (yaml, words) -> {
          Status status = refusal(() -> router.admin().applyRoutes(apply(yaml).build()));
          assertThat(status.getCode()).as(yaml).isEqualTo(Status.Code.INVALID_ARGUMENT);
          assertThat(status.getDescription()).as(yaml).contains(words);
        });
    assertThat(list().getRevision()).isEqualTo(1);
  }

  @Test
  void applyRoutes_expectedRevisionAndDryRun_guardAgainstOthers() {
    router.admin().applyRoutes(apply(route(2)).setDryRun(true).build());
    assertThat(version(feed("u"))).isEqualTo(1);
    router.admin().applyRoutes(apply(route(2)).setExpectedRevision(1).build());

    Status status =
        refusal(() -> router.admin().applyRoutes(apply(route(1)).setExpectedRevision(1).build()));

    assertThat(status.getCode()).isEqualTo(Status.Code.ABORTED);
    assertThat(version(feed("u"))).isEqualTo(2);
  }

  @Test
  void applyRoutes_removeAndAdd_changeTogether() {
    String other = route(2).replace("name: feed", "name: other");

    router.admin().applyRoutes(apply(other).addRemove("feed").build());

    assertThat(list().getRoutesList()).extracting(RouteStatus::getName).containsExactly("other");
    assertThat(version(feed("u"))).isEqualTo(2);
    assertThat(
            refusal(
                    () ->
                        router
                            .admin()
                            .applyRoutes(ApplyRoutesRequest.newBuilder().addRemove("feed").build()))
                .getCode())
        .isEqualTo(Status.Code.NOT_FOUND);
    assertThat(
            refusal(
                    () ->
                        router
                            .admin()
                            .applyRoutes(
                                ApplyRoutesRequest.newBuilder().addRemove("other").build()))
                .getCode())
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  @Test
  void rollBackRoutes_returnsToTheOneBefore_andToAnyThatIsKept() {
    router.admin().applyRoutes(apply(route(2)).build());

    RollBackRoutesResponse back =
        router.admin().rollBackRoutes(RollBackRoutesRequest.getDefaultInstance());

    assertThat(back.getRevision()).isEqualTo(3);
    assertThat(back.getRestored()).isEqualTo(1);
    assertThat(version(feed("u"))).isEqualTo(1);
    router.admin().rollBackRoutes(RollBackRoutesRequest.newBuilder().setRevision(2).build());
    assertThat(version(feed("u"))).isEqualTo(2);
    assertThat(
            refusal(
                    () ->
                        router
                            .admin()
                            .rollBackRoutes(
                                RollBackRoutesRequest.newBuilder().setRevision(77).build()))
                .getCode())
        .isEqualTo(Status.Code.NOT_FOUND);
  }

  @Test
  void rollBackRoutes_toABundleThatIsGone_isRefused() {
    router.admin().applyRoutes(apply(route(2)).build());
    router.stages.ready("source@2", "ranker@2");

    Status status =
        refusal(() -> router.admin().rollBackRoutes(RollBackRoutesRequest.getDefaultInstance()));

    assertThat(status.getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
    assertThat(version(feed("u"))).isEqualTo(2);
  }

  /** Every answer is of one version, none fails, while the routes change under them. */
  @Test
  void requests_whileRoutesSwitch_areOfOneVersionAndNoneFails() throws Exception {
    AtomicBoolean done = new AtomicBoolean();
    List<Future<int[]>> asking = new ArrayList<>();
    try (ExecutorService pool = Executors.newFixedThreadPool(4)) {
      for (int thread = 0; thread < 4; thread++) {
        int number = thread;
        asking.add(
            pool.submit(
                () -> {
                  int[] versions = new int[3];
                  for (int n = 0; !done.get(); n++) {
                    versions[version(feed("user-" + number + "-" + n))]++;
                  }
                  return versions;
                }));
      }
      try {
        for (int n = 0; n < SWITCHES; n++) {
          if (n % 3 == 2) {
            router.admin().rollBackRoutes(RollBackRoutesRequest.getDefaultInstance());
          } else {
            router.admin().applyRoutes(apply(route(1 + n % 2)).build());
          }
        }
      } finally {
        done.set(true);
      }
      int[] all = new int[3];
      for (Future<int[]> one : asking) {
        int[] versions = one.get(60, TimeUnit.SECONDS);
        all[1] += versions[1];
        all[2] += versions[2];
      }
      System.out.printf("%d switches; answers of version 1: %d, 2: %d%n", SWITCHES, all[1], all[2]);
      assertThat(all[1]).isPositive();
      assertThat(all[2]).isPositive();
    }
  }

  private void canary(double share, String... bundles) {
    var unused =
        router
            .admin()
            .startCanary(
                StartCanaryRequest.newBuilder()
                    .setRoute("feed")
                    .setShare(share)
                    .addAllBundles(List.of(bundles))
                    .build());
  }

  private Set<String> inCanary() {
    RoutePlan plan = RouteFileYaml.parse(list().getRoutes(0).getYaml());
    Set<String> users = new HashSet<>();
    for (int n = 0; n < USERS; n++) {
      if (plan.arm("user-" + n).name().equals("canary")) {
        users.add("user-" + n);
      }
    }
    return users;
  }

  @Test
  void startCanary_growingShares_keepTheirUsers() {
    Set<String> before = Set.of();
    canary(.01, "source@2", "ranker@2");
    for (double share : List.of(.01, .05, .25, .6)) {
      canary(share);
      Set<String> now = inCanary();
      assertThat(now).containsAll(before);
      assertThat(now.size() / (double) USERS).isCloseTo(share, within(.03));
      before = now;
    }
    canary(.05);
    assertThat(before).containsAll(inCanary());
    for (int n = 0; n < 50; n++) {
      String user = "user-" + n;
      ResultPage page = feed(user);
      boolean canary = inCanary().contains(user);
      assertThat(page.getArm()).isEqualTo(canary ? "canary" : "control");
      assertThat(version(page)).isEqualTo(canary ? 2 : 1);
    }
    assertThat(version(feed("", ""))).isEqualTo(1);
    assertThat(version(feed("user-1", "canary"))).isEqualTo(2);
    assertThat(refusal(() -> feed("user-1", "nobody")).getCode()).isEqualTo(Status.Code.NOT_FOUND);
  }

  @Test
  void startCanary_otherBundles_drawOtherUsers() {
    canary(.3, "source@2", "ranker@2");
    Set<String> first = inCanary();
    canary(.3, "ranker@2");
    Set<String> second = new HashSet<>(inCanary());
    second.retainAll(first);

    // Independent draws share .3 of .3.
    assertThat(second.size() / (double) USERS).isCloseTo(.09, within(.02));
  }

  @Test
  void promoteCanary_becomesTheRoute_abortLeavesIt() {
    canary(.2, "source@2", "ranker@2");
    router.admin().abortCanary(AbortCanaryRequest.newBuilder().setRoute("feed").build());
    assertThat(list().getRoutes(0).getArmsCount()).isZero();
    assertThat(version(feed("u"))).isEqualTo(1);

    canary(.2, "source@2", "ranker@2");
    router.admin().promoteCanary(PromoteCanaryRequest.newBuilder().setRoute("feed").build());

    assertThat(list().getRoutes(0).getArmsCount()).isZero();
    assertThat(feed("u").getArm()).isEmpty();
    assertThat(version(feed("u"))).isEqualTo(2);
    assertThat(
            refusal(
                    () ->
                        router
                            .admin()
                            .promoteCanary(
                                PromoteCanaryRequest.newBuilder().setRoute("feed").build()))
                .getCode())
        .isEqualTo(Status.Code.FAILED_PRECONDITION);
  }

  @Test
  void startCanary_badRequests_areRefused() {
    router.stages.ready("source@1", "ranker@1", "source@2");
    assertThat(refusal(() -> canary(.1, "ranker@2")).getCode())
        .isEqualTo(Status.Code.FAILED_PRECONDITION);
    for (Status status :
        List.of(
            refusal(() -> canary(0, "source@2")),
            refusal(() -> canary(1, "source@2")),
            refusal(() -> canary(Double.NaN, "source@2")),
            refusal(() -> canary(.1)),
            refusal(() -> canary(.1, "source@1")),
            refusal(() -> canary(.1, "stranger@2")),
            refusal(() -> canary(.1, "source@2", "source@3")),
            refusal(() -> canary(.1, "source")))) {
      assertThat(status.getCode()).as(status.toString()).isEqualTo(Status.Code.INVALID_ARGUMENT);
      assertThat(status.getDescription()).contains("(expected: ");
    }
    router
        .admin()
        .applyRoutes(
            apply(
                    route(1)
                        + "arms: {list: [{name: a, weight: 1}, {name: b, weight: 1, override:"
                        + " {page_size: 5}}]}\n")
                .build());
    assertThat(refusal(() -> canary(.1, "source@2")).getCode())
        .isEqualTo(Status.Code.FAILED_PRECONDITION);
  }

  /** What {@code ListRoutes} gives is a file that a router takes. */
  private static final class RouteFileYaml {
    static RoutePlan parse(String yaml) {
      return io.espalier.router.RouteFile.parse(yaml, "listed");
    }
  }
}

package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.util.JsonFormat;
import io.espalier.admin.v1.RecordedRequest;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecorderTest {
  private static final String FEED =
      """
      name: feed
      kind: feed
      deadline: 60s
      mask_seen: false
      sources: [{bundle: source@1, budget: {share: 1}}]
      """;
  private static final String SEARCH =
      """
      name: search
      kind: search
      deadline: 60s
      sources: [{bundle: source@1, budget: {share: 1}}]
      """;

  @TempDir Path folder;

  private RunningRouter router(double share, long maxBytes) {
    RunningRouter router =
        new RunningRouter(
            builder -> builder.recording(new RecordingConfig(folder.toString(), share, maxBytes)),
            FEED,
            SEARCH);
    router.stages.source("source@1", FakeStages.items("a", 10));
    return router;
  }

  private List<RecordedRequest> recorded() throws IOException {
    List<RecordedRequest> all = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.sorted().toList()) {
        for (String line : Files.readAllLines(file)) {
          RecordedRequest.Builder request = RecordedRequest.newBuilder();
          JsonFormat.parser().merge(line, request);
          all.add(request.build());
        }
      }
    }
    return all;
  }

  private String text() throws IOException {
    StringBuilder text = new StringBuilder();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        text.append(Files.readString(file));
      }
    }
    return text.toString();
  }

  @Test
  void requests_areRecordedWithTheirAnswersAndWithoutWhoAsked() throws IOException {
    ResultPage page;
    try (RunningRouter router = router(1, 1 << 20)) {
      router
          .stub()
          .recordEvents(
              RecordEventsRequest.newBuilder()
                  .setUserId("alice@example.org")
                  .addEvents(
                      Event.newBuilder()
                          .setEventId("e1")
                          .setItemId("a7")
                          .setKind(EventKind.EVENT_KIND_CLICK))
                  .build());
      ListOptions options =
          ListOptions.newBuilder().setPageSize(3).putContext("session", "s3cret").build();
      User alice = User.newBuilder().setId("alice@example.org").build();
      page =
          router
              .stub()
              .recommend(RecommendRequest.newBuilder().setUser(alice).setOptions(options).build())
              .getPage();
      // A page of a pinned list is no request of its own.
      router
          .stub()
          .recommend(
              RecommendRequest.newBuilder()
                  .setUser(alice)
                  .setOptions(options.toBuilder().setPageToken(page.getNextPageToken()))
                  .build());
      router
          .stub()
          .search(
              SearchRequest.newBuilder()
                  .setQuery("red lamp")
                  .setUser(alice)
                  .setOptions(options)
                  .build());
    }

    List<RecordedRequest> requests = recorded();
    assertThat(requests).hasSize(2);
    RecordedRequest feed = requests.get(0);
    assertThat(feed.getRecommend().getOptions().getPageSize()).isEqualTo(3);
    assertThat(feed.getRecommend().getUser().getRecentEventsList())
        .extracting(Event::getItemId)
        .containsExactly("a7");
    assertThat(feed.getAnswer().getItemsList()).containsExactly("a0", "a1", "a2");
    assertThat(feed.getAnswer().getScoresList())
        .containsExactlyElementsOf(
            page.getItemsList().stream().map(item -> item.getScore()).toList());
    assertThat(feed.getAnswer().getRoute()).isEqualTo("feed");
    assertThat(feed.getAnswer().getBundles(0).getVersion()).isEqualTo(1);
    assertThat(requests.get(1).getSearch().getQuery()).isEqualTo("red lamp");
    // The same pseudonym for the same user, and nothing else of him.
    assertThat(requests.get(1).getSearch().getUser().getId())
        .startsWith("p-")
        .isEqualTo(feed.getRecommend().getUser().getId());
    assertThat(text()).doesNotContain("alice").doesNotContain("s3cret").doesNotContain("token");
  }

  @Test
  void requests_shareOfNone_areNotRecorded() throws IOException {
    try (RunningRouter router = router(1e-9, 1 << 20)) {
      for (int n = 0; n < 50; n++) {
        router.stub().recommend(RecommendRequest.getDefaultInstance());
      }
    }
    assertThat(text()).isEmpty();
  }

  @Test
  void files_beyondTheBound_goOldestFirst() throws IOException {
    long bound = 1 << 16;
    try (RunningRouter router = router(1, bound)) {
      for (int n = 0; n < 400; n++) {
        router
            .stub()
            .search(SearchRequest.newBuilder().setQuery(n + " " + "q".repeat(450)).build());
        router.now.updateAndGet(now -> now.plusMillis(5));
      }
    }
    List<RecordedRequest> left = recorded();
    assertThat((long) text().length()).isLessThanOrEqualTo(bound);
    assertThat(left.size()).isBetween(20, 399);
    assertThat(left.getLast().getSearch().getQuery()).startsWith("399 ");
  }
}

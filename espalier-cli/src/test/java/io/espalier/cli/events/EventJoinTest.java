package io.espalier.cli.events;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.events.v1.EventRecord;
import io.espalier.events.v1.Impression;
import io.espalier.events.v1.Interaction;
import io.espalier.events.v1.ServedFeature;
import io.espalier.events.v1.ShownItem;
import io.espalier.router.events.EventCodec;
import io.espalier.router.events.EventJournal;
import io.espalier.shop.Shop;
import io.espalier.shop.ShopConfig;
import io.espalier.shop.ShopWriter;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.catalog.LoggedEvent;
import io.espalier.stores.log.FileLog;
import io.espalier.stores.users.EmbeddedUserKeys;
import io.opentelemetry.api.OpenTelemetry;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EventJoinTest {
  private static final long SEED = 30_001;
  private static final Duration WINDOW = Duration.ofHours(24);

  @TempDir Path folder;

  /** A list of the shop's, shown in pages. */
  private record ShopList(
      String id, String user, Instant time, String query, List<LoggedEvent> shown) {}

  /** Where the shop itself says what was clicked and bought. */
  private record Row(String list, int position) {}

  private record Given(String user, Instant time, EventRecord record) {}

  /**
   * The simulated shop's sessions, through the journal and a log of files, out of order and with
   * repetitions: each row's labels are the shop's own.
   */
  @Test
  void run_shopsSessions_haveTheShopsOwnLabels() throws Exception {
    System.out.println("seed " + SEED);
    Path shop = folder.resolve("shop");
    new ShopWriter(Shop.generate(new ShopConfig(7, 800, 150, 200, 10))).write(shop);
    List<ShopList> lists = new ArrayList<>();
    List<LoggedEvent> done = new ArrayList<>();
    DataFolder.open(shop).forEachEvent(event -> sort(event, lists, done));
    Random random = new Random(SEED);

    Map<Row, Boolean> clicked = new HashMap<>();
    List<Given> records = new ArrayList<>();
    for (ShopList list : lists) {
      int size = 1 + random.nextInt(list.shown().size());
      for (int from = 0; from < list.shown().size(); from += size) {
        int to = Math.min(list.shown().size(), from + size);
        Given page = new Given(list.user(), list.time(), page(list, from, to));
        records.add(page);
        if (random.nextInt(20) == 0) {
          records.add(page);
        }
      }
      for (LoggedEvent shown : list.shown()) {
        clicked.put(new Row(list.id(), shown.position().getAsInt()), shown.clicked());
      }
    }
    Map<Row, Instant> bought = new HashMap<>();
    int named = 0;
    for (int i = 0; i < done.size(); i++) {
      LoggedEvent event = done.get(i);
      boolean isClick = event.kind() == io.espalier.stores.users.EventKind.CLICK;
      // Purchases may come from a till that knows of no answer.
      boolean says = isClick || (event.position().isPresent() && random.nextBoolean());
      ShopList list = says ? listOf(event, lists) : null;
      named += says ? 1 : 0;
      if (!isClick) {
        Row row =
            list != null ? new Row(list.id(), event.position().getAsInt()) : latest(event, lists);
        if (row != null) {
          bought.merge(row, event.time(), (a, b) -> a.isBefore(b) ? a : b);
        }
      }
      Given given =
          new Given(
              event.user(),
              event.time(),
              interaction(event, "e" + i, list == null ? "" : list.id(), isClick));
      records.add(given);
      if (random.nextInt(10) == 0) {
        records.add(given);
      }
    }
    Collections.shuffle(records, random);

    List<TrainingRow> rows = new ArrayList<>();
    EventJoin.Counts counts = journaled(records, rows);

    assertThat(rows).hasSize(clicked.size()).hasSizeGreaterThan(3_000);
    Map<Row, Boolean> clicksFound = new HashMap<>();
    Map<Row, Instant> boughtFound = new HashMap<>();
    for (TrainingRow row : rows) {
      Row key = new Row(row.page().getRequestId(), row.item().getPosition());
      clicksFound.put(key, row.outcomes().containsKey(EventKind.EVENT_KIND_CLICK));
      Instant time = row.outcomes().get(EventKind.EVENT_KIND_PURCHASE);
      if (time != null) {
        boughtFound.put(key, time);
      }
    }
    assertThat(clicksFound).isEqualTo(clicked);
    assertThat(clicked.values()).contains(true, false);
    assertThat(boughtFound).isEqualTo(bought);
    assertThat(bought).hasSizeGreaterThan(100);
    assertThat(counts.interactions()).isEqualTo(done.size());
    assertThat(counts.joined()).isBetween((long) named, (long) done.size());
    assertThat(counts.twice()).isPositive();
    System.out.println(counts);
  }

  private EventJoin.Counts journaled(List<Given> records, List<TrainingRow> rows) {
    Path place = folder.resolve("events");
    Path state = folder.resolve("state");
    try (EmbeddedUserKeys keys = EmbeddedUserKeys.open(state)) {
      FileLog log = FileLog.open(place, 1);
      try (EventJournal journal =
          EventJournal.start(
              () -> log,
              keys,
              records.size(),
              Duration.ofMinutes(5),
              OpenTelemetry.noop().getMeter("test"))) {
        for (Given given : records) {
          Supplier<EventRecord> made = given::record;
          journal.offer(given.user(), given.time(), made);
        }
      }
    }
    try (EmbeddedUserKeys keys = EmbeddedUserKeys.read(state)) {
      LoggedEvents events = new LoggedEvents(List.of(place.toString()), keys);
      EventJoin.Counts counts = new EventJoin(WINDOW).run(events, rows::add);
      assertThat(events.erased()).isZero();
      return counts;
    }
  }

  private static void sort(LoggedEvent event, List<ShopList> lists, List<LoggedEvent> done) {
    if (event.kind() != io.espalier.stores.users.EventKind.IMPRESSION) {
      done.add(event);
      return;
    }
    if (event.position().getAsInt() == 0) {
      lists.add(
          new ShopList(
              "answer-" + lists.size(),
              event.user(),
              event.time(),
              event.query(),
              new ArrayList<>()));
    }
    lists.getLast().shown().add(event);
  }

  /** The list that a click of the shop's belongs to: the latest that has its item at its place. */
  private static ShopList listOf(LoggedEvent event, List<ShopList> lists) {
    ShopList found = null;
    for (ShopList list : lists) {
      if (list.user().equals(event.user())
          && list.query().equals(event.query())
          && !list.time().isAfter(event.time())
          && list.shown().size() > event.position().getAsInt()
          && list.shown().get(event.position().getAsInt()).itemId().equals(event.itemId())
          && list.shown().get(event.position().getAsInt()).clicked()
          && (found == null || list.time().isAfter(found.time()))) {
        found = list;
      }
    }
    return Objects.requireNonNull(found);
  }

  /** The latest showing of an item to its user before he bought it, within the window. */
  private static @Nullable Row latest(LoggedEvent event, List<ShopList> lists) {
    TreeMap<Instant, Row> showings = new TreeMap<>();
    for (ShopList list : lists) {
      if (list.user().equals(event.user())) {
        for (LoggedEvent shown : list.shown()) {
          if (shown.itemId().equals(event.itemId())) {
            showings.put(list.time(), new Row(list.id(), shown.position().getAsInt()));
          }
        }
      }
    }
    Map.Entry<Instant, Row> last = showings.floorEntry(event.time());
    return last == null || last.getKey().plus(WINDOW).isBefore(event.time())
        ? null
        : last.getValue();
  }

  private static EventRecord page(ShopList list, int from, int to) {
    Impression.Builder page =
        Impression.newBuilder()
            .setRequestId(list.id())
            .setTime(EventCodec.timestamp(list.time()))
            .setUserId(list.user())
            .setQuery(list.query());
    for (int position = from; position < to; position++) {
      page.addItems(
          ShownItem.newBuilder()
              .setItemId(list.shown().get(position).itemId())
              .setPosition(position)
              .setPropensity(1));
    }
    return EventRecord.newBuilder().setImpression(page).build();
  }

  private static EventRecord interaction(
      LoggedEvent event, String id, String answer, boolean isClick) {
    return EventRecord.newBuilder()
        .setInteraction(
            Interaction.newBuilder()
                .setUserId(event.user())
                .setRequestId(answer)
                .setEvent(
                    Event.newBuilder()
                        .setEventId(id)
                        .setItemId(event.itemId())
                        .setKind(
                            isClick ? EventKind.EVENT_KIND_CLICK : EventKind.EVENT_KIND_PURCHASE)
                        .setTime(EventCodec.timestamp(event.time()))))
        .build();
  }

  private static Interaction.Builder click(String answer, String item, long second) {
    return Interaction.newBuilder()
        .setUserId("u")
        .setRequestId(answer)
        .setEvent(
            Event.newBuilder()
                .setEventId(answer + item + second)
                .setItemId(item)
                .setTime(EventCodec.timestamp(Instant.ofEpochSecond(second))));
  }

  private static Impression.Builder shown(String answer, long second, String... items) {
    Impression.Builder page =
        Impression.newBuilder()
            .setRequestId(answer)
            .setUserId("u")
            .setTime(EventCodec.timestamp(Instant.ofEpochSecond(second)));
    for (String item : items) {
      page.addItems(
          ShownItem.newBuilder().setItemId(item).setPosition(page.getItemsCount()).build());
    }
    return page;
  }

  private static Map<String, Instant> clicks(Duration window, List<EventRecord> records) {
    Map<String, Instant> clicks = new TreeMap<>();
    new EventJoin(window)
        .run(
            records::forEach,
            row -> {
              Instant time = row.outcomes().get(EventKind.EVENT_KIND_CLICK);
              if (time != null) {
                clicks.put(row.page().getRequestId() + " " + row.item().getItemId(), time);
              }
            });
    return clicks;
  }

  @Test
  void run_edgesOfTheWindowAndOfTwoShowings_areKept() {
    List<EventRecord> records = new ArrayList<>();
    for (Impression.Builder page :
        List.of(shown("one", 100, "a", "b"), shown("two", 150, "a"), shown("three", 150, "c"))) {
      records.add(EventRecord.newBuilder().setImpression(page).build());
    }
    for (Interaction.Builder done :
        List.of(
            // Named: at the window's end, and after it.
            click("one", "b", 110),
            click("two", "a", 161),
            // Named, by a clock that is behind.
            click("three", "c", 149),
            // Not named: the later showing's, since that was before it.
            click("", "a", 150),
            // Nobody was shown it.
            click("", "z", 151),
            click("none", "a", 151))) {
      records.add(EventRecord.newBuilder().setInteraction(done).build());
    }
    assertThat(clicks(Duration.ofSeconds(10), records))
        .containsOnly(
            Map.entry("one b", Instant.ofEpochSecond(110)),
            Map.entry("three c", Instant.ofEpochSecond(149)),
            Map.entry("two a", Instant.ofEpochSecond(150)));
    assertThatThrownBy(() -> new EventJoin(Duration.ZERO)).hasMessageContaining("window: PT0S");
  }

  @Test
  void write_row_isReadBackFromJsonAndCsv() throws Exception {
    Impression page =
        shown("r,\"1\"", 100, "a")
            .setQuery("two\nlines")
            .addHistory("h1")
            .addBundles("ranker@1")
            .build();
    ShownItem item =
        page.getItems(0).toBuilder()
            .addFeatures(ServedFeature.newBuilder().setName("dense").setValue(0.1 + 0.2))
            .addFeatures(ServedFeature.newBuilder().setName("type").setIsDefault(true))
            .build();
    TrainingRow row =
        new TrainingRow(page, item, Map.of(EventKind.EVENT_KIND_CLICK, Instant.ofEpochSecond(105)));
    StringWriter lines = new StringWriter();
    new RowWriter(lines, false, true).write(row);
    JsonNode json = new ObjectMapper().readTree(lines.toString());
    assertThat(json.path("request_id").asText()).isEqualTo("r,\"1\"");
    assertThat(json.path("user").asText()).isEqualTo("u");
    assertThat(json.path("click").asInt()).isEqualTo(1);
    assertThat(json.path("purchase").asInt()).isZero();
    assertThat(json.path("click_time").asText()).isEqualTo("1970-01-01T00:01:45Z");
    assertThat(json.path("propensity").isNull()).isTrue();
    assertThat(json.path("features").path("dense").doubleValue()).isEqualTo(0.1 + 0.2);
    assertThat(json.path("default_features").path(0).asText()).isEqualTo("type");
    assertThat(json.path("history").path(0).asText()).isEqualTo("h1");

    StringWriter csv = new StringWriter();
    RowWriter writer = new RowWriter(csv, true, false);
    writer.write(row);
    writer.write(row);
    String text = csv.toString();
    assertThat(text.lines().findFirst().orElseThrow()).startsWith("request_id,time,user,query,");
    assertThat(text).contains("\"r,\"\"1\"\"\",1970-01-01T00:01:40Z,").contains("\"two\nlines\"");
    assertThat(text.split("r,\"\"1", -1)).hasSize(3);
    // A hash in place of the user.
    assertThat(text).containsPattern(",[0-9a-f]{32},\"two");
  }
}

package io.espalier.cli.events;

import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.events.v1.EventRecord;
import io.espalier.events.v1.Impression;
import io.espalier.events.v1.Interaction;
import io.espalier.events.v1.ShownItem;
import io.espalier.router.events.EventCodec;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Joins what was shown with what was done afterwards.
 *
 * <p>An interaction that names its answer belongs to the item of that answer. One that names none
 * belongs to the latest page before it that showed the item to its user. Either counts up to the
 * window after the page was asked for. What stands in the log twice counts once. The log is read
 * three times; interactions are held in memory, pages are not.
 */
public final class EventJoin {
  private final Duration window;
  // By the answer's id, and by user and item where an interaction names no answer.
  private final Map<String, List<Done>> byAnswer = new HashMap<>();
  private final Map<UserItem, List<Done>> byItem = new HashMap<>();
  private long pages;
  private long rows;
  private long interactions;
  private long joined;
  private long twice;

  /** Something that can be read from its beginning again and again. */
  @FunctionalInterface
  public interface Events {
    /** Hands over every record that can be read, in order. */
    void forEach(Consumer<EventRecord> each);
  }

  /**
   * What there was.
   *
   * @param pages of which rows were made
   * @param rows items of pages
   * @param interactions of users
   * @param joined those of them that belong to a row
   * @param twice pages and interactions that were in the log before
   */
  public record Counts(long pages, long rows, long interactions, long joined, long twice) {}

  private record UserItem(String user, String item) {}

  /** An interaction, and for one that names no answer the page that it is found to belong to. */
  private static final class Done {
    private final String item;
    private final EventKind kind;
    private final Instant time;
    private @Nullable Instant page;
    private String answer = "";

    Done(String item, EventKind kind, Instant time) {
      this.item = item;
      this.kind = kind;
      this.time = time;
    }
  }

  /**
   * A join, for one use.
   *
   * @param window how long after a page was asked for an interaction counts
   */
  public EventJoin(Duration window) {
    if (window.isNegative() || window.isZero()) {
      throw new IllegalArgumentException("window: " + window + " (expected: > 0)");
    }
    this.window = window;
  }

  /** Joins, and hands over a row for each item of each page, in the order of the log. */
  public Counts run(Events events, Consumer<TrainingRow> each) {
    Set<String> ids = new HashSet<>();
    events.forEach(
        record -> {
          if (record.hasInteraction()) {
            collect(record.getInteraction(), ids);
          }
        });
    events.forEach(
        record -> {
          if (record.hasImpression()) {
            attribute(record.getImpression());
          }
        });
    Set<String> seen = new HashSet<>();
    events.forEach(
        record -> {
          if (record.hasImpression()) {
            write(record.getImpression(), seen, each);
          }
        });
    return new Counts(pages, rows, interactions, joined, twice);
  }

  private void collect(Interaction interaction, Set<String> ids) {
    Event event = interaction.getEvent();
    if (!ids.add(interaction.getUserId() + "\0" + event.getEventId())) {
      twice++;
      return;
    }
    interactions++;
    EventKind kind =
        event.getKind() == EventKind.EVENT_KIND_UNSPECIFIED
            ? EventKind.EVENT_KIND_CLICK
            : event.getKind();
    Done done = new Done(event.getItemId(), kind, EventCodec.instant(event.getTime()));
    if (interaction.getRequestId().isEmpty()) {
      byItem
          .computeIfAbsent(
              new UserItem(interaction.getUserId(), done.item), unused -> new ArrayList<>())
          .add(done);
    } else {
      byAnswer.computeIfAbsent(interaction.getRequestId(), unused -> new ArrayList<>()).add(done);
    }
  }

  /** Gives interactions that name no answer to the page, where it is later than the one before. */
  private void attribute(Impression page) {
    Instant shown = EventCodec.instant(page.getTime());
    for (ShownItem item : page.getItemsList()) {
      for (Done done :
          byItem.getOrDefault(new UserItem(page.getUserId(), item.getItemId()), List.of())) {
        if (!shown.isAfter(done.time)
            && isWithin(done, shown)
            && (done.page == null || shown.isAfter(done.page))) {
          done.page = shown;
          done.answer = page.getRequestId();
        }
      }
    }
  }

  private boolean isWithin(Done done, Instant shown) {
    return !done.time.isAfter(shown.plus(window));
  }

  private void write(Impression page, Set<String> seen, Consumer<TrainingRow> each) {
    int first = page.getItemsCount() == 0 ? 0 : page.getItems(0).getPosition();
    if (!seen.add(page.getRequestId() + "\0" + first)) {
      twice++;
      return;
    }
    pages++;
    Instant shown = EventCodec.instant(page.getTime());
    List<Done> ofAnswer = byAnswer.getOrDefault(page.getRequestId(), List.of());
    for (ShownItem item : page.getItemsList()) {
      Map<EventKind, Instant> outcomes = new EnumMap<>(EventKind.class);
      for (Done done : ofAnswer) {
        // Who names the answer has seen it, whatever his clock says.
        if (done.item.equals(item.getItemId()) && isWithin(done, shown)) {
          add(done, outcomes);
        }
      }
      for (Done done :
          byItem.getOrDefault(new UserItem(page.getUserId(), item.getItemId()), List.of())) {
        if (done.answer.equals(page.getRequestId()) && shown.equals(done.page)) {
          add(done, outcomes);
        }
      }
      rows++;
      each.accept(new TrainingRow(page, item, outcomes));
    }
  }

  private void add(Done done, Map<EventKind, Instant> outcomes) {
    joined++;
    outcomes.merge(done.kind, done.time, (a, b) -> a.isBefore(b) ? a : b);
  }
}

package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.live.Events.Event;
import io.espalier.loadtest.live.Events.Kind;
import java.util.List;
import org.junit.jupiter.api.Test;

class EventsTest {
  @Test
  void line_ofExchangesAndReturns_counts() {
    Events events = new Events();
    events.line(
        "19:01:02.003 INFO Catalogue - a snapshot of 5 items, offset 9, took the place of the one before after 12 ms");
    events.line("INFO CatalogFollower - followed from the snapshot of offset 12 on, after 9");
    assertThat(events.count()).isEqualTo(1);

    events.returnBegins();
    events.line("INFO CatalogFollower - followed from the snapshot of offset 12 on, after 9");
    events.line("something else");
    assertThat(events).hasToString("1 exchanges of snapshots, 1 returns");
  }

  @Test
  void between_events_areWindowsAsLongHalfWayToTheNextWhereTheyFit() {
    Event first = new Event(Kind.EXCHANGE, 100, 110);
    Event near = new Event(Kind.RETURN, 125, 140);
    Event far = new Event(Kind.EXCHANGE, 200, 230);

    assertThat(Events.between(List.of(far, first, near)))
        .containsExactly(new Event(Kind.RETURN, 162, 177));
    assertThat(Events.between(List.of())).isEmpty();
  }
}

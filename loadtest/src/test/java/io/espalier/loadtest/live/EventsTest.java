package io.espalier.loadtest.live;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class EventsTest {
  @Test
  void line_ofExchangesAndReturns_counts() {
    Events events = new Events();
    events.line(
        "19:01:02.003 INFO Catalogue - a snapshot of 5 items, offset 9, took the place of the one before after 12 ms; 3 changes came since");
    events.line("INFO CatalogFollower - followed from the snapshot of offset 12 on, after 9");
    assertThat(events.count()).isEqualTo(1);

    events.returnBegins();
    events.line("INFO CatalogFollower - followed from the snapshot of offset 12 on, after 9");
    events.line("something else");
    assertThat(events).hasToString("1 exchanges of snapshots, 1 returns");
  }
}

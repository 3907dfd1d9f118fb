package io.espalier.loadtest.hangup;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Report;
import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class HangUpsTest {
  private static final long MILLI = 1_000_000;

  private final HangUps hangUps = new HangUps(32);

  private void add(int rounds, long waiting, long millis) {
    for (int i = 0; i < rounds; i++) {
      hangUps.add(waiting, millis * MILLI);
    }
  }

  private String printed() {
    StringWriter text = new StringWriter();
    hangUps.print(new Report(new PrintWriter(text)), 128);
    return text.toString();
  }

  @Test
  void shortcomings_queuesFreeInTime_noneThoughOneRoundInTwentyWasLate() {
    add(19, 64, 19);
    add(1, 64, 300);
    assertThat(hangUps.shortcomings()).isEmpty();
    assertThat(printed())
        .contains("20 times 128 callers hung up, 64.0 of their calls waiting")
        .doesNotContain("left out");
  }

  @Test
  void shortcomings_queuesFreeLate_areOne() {
    add(18, 64, 19);
    add(2, 64, 30);
    assertThat(hangUps.shortcomings())
        .singleElement()
        .asString()
        .startsWith("p95 until the queues were free 30.")
        .endsWith("(expected: <= 20 ms)");
  }

  @Test
  void add_roundsWhoseQueueNeverFilled_areLeftOut() {
    add(4, 31, 0);
    add(4, 32, 30);
    assertThat(hangUps.shortcomings()).singleElement().asString().startsWith("p95 ");
    assertThat(printed())
        .contains("4 rounds left out: fewer than 32 calls waited")
        .contains("4 times 128 callers");
    add(1, 0, 0);
    assertThat(hangUps.shortcomings()).hasSize(2).first().asString().startsWith("in 5 of 9 rounds");
  }

  @Test
  void shortcomings_noQueueFilled_saysSo() {
    add(50, 0, 0);
    assertThat(hangUps.shortcomings())
        .containsExactly("in no round did a queue fill (expected: in most)");
    assertThat(printed()).contains("50 rounds left out").doesNotContain("hung up");
  }
}

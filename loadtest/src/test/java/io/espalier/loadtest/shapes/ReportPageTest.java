package io.espalier.loadtest.shapes;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Arrivals;
import io.espalier.loadtest.driver.Outcome;
import io.espalier.loadtest.driver.Requests;
import java.io.StringReader;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.xml.sax.InputSource;

@EnabledIf(
    value = "io.espalier.loadtest.shapes.ReportPage#canBeDrawn",
    disabledReason = "no fonts to draw with: Debian has some in fontconfig and fonts-dejavu-core")
class ReportPageTest {
  private static final Duration LENGTH = Duration.ofSeconds(20);
  private static final Duration SLO = Duration.ofMillis(100);

  /** A run whose answers take 10 ms, each tenth 200, and of which each twentieth is refused. */
  static ShapeRun run(String name, Shape shape, long lagNanos) {
    long[] planned =
        Arrivals.poisson(
            at -> 50 * shape.times(at, LENGTH), 50 * shape.most(), LENGTH, name.hashCode());
    long[] sent = Arrays.stream(planned).map(at -> at + lagNanos).toArray();
    long[] done = new long[planned.length];
    Outcome[] outcomes = new Outcome[planned.length];
    for (int i = 0; i < planned.length; i++) {
      done[i] = sent[i] + (i % 10 == 0 ? 200_000_000 : 10_000_000);
      outcomes[i] = i % 20 == 5 ? Outcome.REFUSED : Outcome.OK;
    }
    return new ShapeRun(name, shape, 50, LENGTH, new Requests(planned, sent, done, outcomes, 0));
  }

  private static Shape hotUser(String what) {
    return new Shape(what, 1, null, List.of(), .3, false);
  }

  private static String page(ShapeRun... runs) {
    return new ReportPage("a feed", SLO, 1).html(List.of(runs));
  }

  private static List<String> groups(String regex, String text) {
    return Pattern.compile(regex, Pattern.DOTALL)
        .matcher(text)
        .results()
        .map((MatchResult found) -> found.group(1))
        .toList();
  }

  private static String rate(double perSecond) {
    return String.format(Locale.ROOT, "%.1f", perSecond);
  }

  private static long count(ShapeRun run, Asked asked) {
    return run.requests().latencies(run.of(asked)).count();
  }

  @Test
  void html_refusals_areInNoLatency() {
    long[] planned = {0, 1_000_000};
    long[] done = {40_000_000, 1_100_000};
    Outcome[] outcomes = {Outcome.OK, Outcome.REFUSED};
    Requests requests = new Requests(planned, planned.clone(), done, outcomes, 0);

    assertThat(page(new ShapeRun("steady", Shape.steady(), 1, LENGTH, requests)))
        .containsPattern("<td>steady</td><td>2</td>.*<td>39[.]9\\d ms</td>|<td>40[.]0\\d ms</td>")
        .doesNotContain("<td>0.10 ms</td>");
  }

  @Test
  void html_nothingAnswered_isDrawn() {
    long[] planned = {0, 1_000_000};
    Outcome[] outcomes = {Outcome.FAILED, Outcome.REFUSED};
    Requests requests = new Requests(planned, planned.clone(), planned.clone(), outcomes, 0);

    assertThat(page(new ShapeRun("steady", Shape.steady(), 1, LENGTH, requests)))
        .contains("<svg", "</html>");
  }

  @Test
  void html_twoRuns_hasTheFiguresOfBoth() {
    ShapeRun steady = run("steady", Shape.steady(), 0);
    ShapeRun hot = run("hot-user", hotUser("w"), 0);
    Requests requests = steady.requests();

    String page = page(steady, hot);

    assertThat(page)
        .contains(
            "<tr><td>steady</td><td>%d</td><td>%s</td><td>%s</td>"
                .formatted(
                    requests.size(), rate(requests.size() / 20.), rate(requests.good(SLO) / 20.)))
        .contains("<td>%d</td>".formatted(requests.count(Outcome.REFUSED)))
        .contains("<tr><td>– its hot user</td><td>%d</td>".formatted(count(hot, Asked.HOT_USER)))
        .doesNotContain("VOID");
    assertThat(requests.good(SLO)).isBetween(1L, requests.size() * 9L / 10);
    assertThat(count(hot, Asked.HOT_USER) + count(hot, Asked.USUAL))
        .isEqualTo(hot.requests().size());
  }

  @Test
  void html_plots_areXmlOfTheirOwnIdsAndNeedNothingElse() throws Exception {
    String page = page(run("steady", Shape.steady(), 0), run("hot-user", hotUser("w"), 0));

    List<String> plots = groups("(<svg.*?</svg\\s*>)", page);
    // One of all shapes, and five of each.
    assertThat(plots).hasSize(11);
    for (String plot : plots) {
      DocumentBuilderFactory.newInstance()
          .newDocumentBuilder()
          .parse(new InputSource(new StringReader(plot)));
      assertThat(groups(" id=\"([^\"]*)\"", plot)).containsAll(groups("url\\(#([^)]*)\\)", plot));
    }
    List<String> ids = groups(" id=\"([^\"]*)\"", String.join("", plots));
    assertThat(new HashSet<>(ids)).hasSameSizeAs(ids);
    assertThat(page).doesNotContain("<script", "src=").doesNotContainPattern("href=\"http");
  }

  @Test
  void html_driverWasLate_saysVoid() {
    assertThat(page(run("steady", Shape.steady(), 3_000_000)))
        .contains("VOID: p99 send lag 3.0", "<td>void</td>");
  }

  @Test
  void html_noRequest_isAPage() {
    Requests none = new Requests(new long[0], new long[0], new long[0], new Outcome[0], 0);
    assertThat(page(new ShapeRun("steady", Shape.steady(), .01, LENGTH, none)))
        .contains("VOID: no request arrived", "</html>")
        .doesNotContain("<svg");
  }

  @Test
  void html_aSecondWithoutRequests_isDrawn() {
    long[] planned = {0, 2_500_000_000L};
    Outcome[] outcomes = {Outcome.OK, Outcome.OK};
    Requests few = new Requests(planned, planned.clone(), planned.clone(), outcomes, 0);
    assertThat(page(new ShapeRun("steady", Shape.steady(), 1, LENGTH, few)))
        .contains("<td>steady</td><td>2</td>", "<svg", "</html>");
  }

  @Test
  void html_textWithSigns_isEscaped() {
    assertThat(page(run("a<b", hotUser("rates < 3 & more"), 0)))
        .contains("<h2>a&lt;b</h2>", "rates &lt; 3 &amp; more")
        .doesNotContain("a<b");
  }
}

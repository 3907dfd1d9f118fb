package io.espalier.cli.show;

import io.espalier.cli.show.Table.Side;
import io.espalier.retrieval.v1.Fate;
import io.espalier.router.v1.BundleVersion;
import io.espalier.router.v1.Degradation;
import io.espalier.router.v1.Finding;
import io.espalier.router.v1.Provenance;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.Rewrite;
import io.espalier.router.v1.StageFact;
import io.espalier.router.v1.WhyNotResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Answers of the router as tables: items and where each came from, then the stages and what was
 * left out.
 */
public final class AnswerView {
  private static final int TIMELINE = 24;

  private final Terminal terminal;
  private final ItemLabels labels;

  /** A view on {@code terminal} that names items by {@code labels}. */
  public AnswerView(Terminal terminal, ItemLabels labels) {
    this.terminal = terminal;
    this.labels = labels;
  }

  /** Prints one page, headed by {@code title}. */
  public void print(String title, List<Rewrite> rewrites, ResultPage page) {
    terminal.out().println(terminal.bold(title) + terminal.dim(heading(page)));
    for (Rewrite rewrite : rewrites) {
      String persona = rewrite.getPersona().isEmpty() ? "" : ", as " + rewrite.getPersona();
      terminal
          .out()
          .println(
              "also searched \""
                  + rewrite.getText()
                  + "\" ("
                  + word(rewrite.getOrigin().name(), "REWRITE_ORIGIN_")
                  + " of "
                  + rewrite.getSource()
                  + persona
                  + ")");
    }
    terminal.out().println();
    printItems(page);
    printScores(page);
    printStages(page);
    printFooter(page);
    terminal.out().flush();
  }

  private static String heading(ResultPage page) {
    List<String> parts = new ArrayList<>();
    parts.add("route " + page.getRoute());
    if (!page.getArm().isEmpty()) {
      parts.add("arm " + page.getArm());
    }
    page.getStagesList().stream()
        .mapToLong(stage -> stage.getStartMicros() + stage.getDurationMicros())
        .max()
        .ifPresent(micros -> parts.add(milliseconds(micros)));
    if (page.getItemsCount() > 0) {
      parts.add("scores: " + word(page.getItems(0).getScoreKind().name(), "SCORE_KIND_"));
    }
    parts.add("request " + page.getRequestId());
    return "   " + String.join(" · ", parts);
  }

  private void printItems(ResultPage page) {
    if (page.getItemsCount() == 0) {
      terminal.out().println("no items");
      return;
    }
    boolean titles =
        page.getItemsList().stream().anyMatch(item -> labels.of(item.getItemId()).isPresent());
    boolean prices =
        page.getItemsList().stream()
            .anyMatch(
                item -> labels.of(item.getItemId()).filter(l -> !l.price().isEmpty()).isPresent());
    Table table = new Table().column("#", Side.RIGHT).column("item", Side.LEFT, 24);
    if (titles) {
      table.column("title", Side.LEFT, Math.max(24, terminal.width() / 3));
    }
    if (prices) {
      table.column("price", Side.RIGHT);
    }
    table.column("score", Side.RIGHT).column("came from", Side.LEFT);
    int rank = 1;
    for (ResultItem item : page.getItemsList()) {
      Optional<ItemLabels.Label> label = labels.of(item.getItemId());
      List<String> cells = new ArrayList<>(List.of(Integer.toString(rank++), item.getItemId()));
      if (titles) {
        cells.add(label.map(ItemLabels.Label::title).orElse(""));
      }
      if (prices) {
        cells.add(label.map(ItemLabels.Label::price).orElse(""));
      }
      cells.add(number(item.getScore()));
      cells.add(origins(item));
      table.row(cells);
    }
    terminal.print(table);
  }

  private static String origins(ResultItem item) {
    String origins =
        item.getProvenanceList().stream().map(AnswerView::origin).collect(Collectors.joining(", "));
    if (item.getRulesCount() == 0) {
      return origins;
    }
    String rules = "rule " + String.join(", rule ", item.getRulesList());
    return origins.isEmpty() ? rules : rules + ", " + origins;
  }

  private static String origin(Provenance provenance) {
    StringBuilder text =
        new StringBuilder(provenance.getSource()).append(" #").append(provenance.getRank() + 1);
    if (provenance.hasBeam()) {
      text.append(" beam ")
          .append(
              provenance.getBeam().getSemanticIdList().stream()
                  .map(Object::toString)
                  .collect(Collectors.joining("-")));
    }
    if (!provenance.getRewrite().isEmpty()) {
      text.append(" by \"").append(provenance.getRewrite()).append('"');
    }
    return text.toString();
  }

  private void printScores(ResultPage page) {
    if (page.getItemsList().stream().allMatch(item -> item.getScoresCount() == 0)) {
      return;
    }
    terminal.out().println();
    Table table =
        new Table()
            .column("#", Side.RIGHT)
            .column("item", Side.LEFT, 24)
            .column("scores behind it", Side.LEFT);
    int rank = 1;
    for (ResultItem item : page.getItemsList()) {
      String scores =
          item.getScoresList().stream()
              .map(
                  s ->
                      s.getName()
                          + " "
                          + number(s.getValue())
                          + (s.getIsDefault() ? " (default)" : ""))
              .collect(Collectors.joining(" · "));
      table.row(Integer.toString(rank++), item.getItemId(), scores);
    }
    terminal.print(table);
  }

  private void printStages(ResultPage page) {
    if (page.getStagesCount() == 0) {
      return;
    }
    long end =
        page.getStagesList().stream()
            .mapToLong(s -> s.getStartMicros() + s.getDurationMicros())
            .max()
            .orElse(1);
    Table table =
        new Table()
            .column("stage", Side.LEFT)
            .column("start", Side.RIGHT)
            .column("took", Side.RIGHT)
            .column("in", Side.RIGHT)
            .column("out", Side.RIGHT)
            .column("outcome", Side.LEFT)
            .column("", Side.LEFT);
    for (StageFact stage : page.getStagesList()) {
      table.row(
          stage.getStage(),
          milliseconds(stage.getStartMicros()),
          milliseconds(stage.getDurationMicros()),
          stage.getItemsIn() == 0 ? "" : Integer.toString(stage.getItemsIn()),
          stage.getItemsOut() == 0 ? "" : Integer.toString(stage.getItemsOut()),
          stage.getOutcome(),
          // The router's own time lies between the stages.
          stage.getStage().equals("router") ? "" : bar(stage, Math.max(1, end)));
    }
    terminal.out().println();
    terminal.print(table);
  }

  private static String bar(StageFact stage, long end) {
    int from = (int) (stage.getStartMicros() * TIMELINE / end);
    int cells = (int) Math.max(1, Math.ceilDiv(stage.getDurationMicros() * TIMELINE, end));
    return " ".repeat(Math.min(from, TIMELINE - 1)) + "▆".repeat(Math.min(cells, TIMELINE));
  }

  private void printFooter(ResultPage page) {
    terminal.out().println();
    if (page.getBundlesCount() > 0) {
      terminal
          .out()
          .println(
              "bundles   "
                  + page.getBundlesList().stream()
                      .map(AnswerView::version)
                      .collect(Collectors.joining(", ")));
    }
    for (Degradation degradation : page.getDegradationsList()) {
      terminal
          .out()
          .println(
              "degraded  "
                  + degradation.getStage()
                  + ": "
                  + word(degradation.getReason().name(), "DEGRADATION_REASON_")
                  + (degradation.getDetail().isEmpty() ? "" : ", " + degradation.getDetail()));
    }
    if (page.getShortList()) {
      terminal.out().println("short     fewer items were legal than were asked for");
    }
    if (!page.getNextPageToken().isEmpty()) {
      terminal.out().println(terminal.dim("next page --page-token " + page.getNextPageToken()));
    }
  }

  private static String version(BundleVersion bundle) {
    return bundle.getName() + "@" + bundle.getVersion();
  }

  /** Prints why an item is absent, stage by stage. */
  public void print(String itemId, WhyNotResponse response) {
    String title = labels.of(itemId).map(label -> " (" + label.title() + ")").orElse("");
    terminal
        .out()
        .println(
            terminal.bold(itemId + title)
                + (response.getPresent()
                    ? " is in the list, at place " + (response.getRank() + 1)
                    : " is not in the list"));
    terminal.out().println();
    Table table =
        new Table().column("stage", Side.LEFT).column("fate", Side.LEFT).column("why", Side.LEFT);
    for (Finding finding : response.getFindingsList()) {
      table.row(finding.getStage(), word(finding.getFate().name(), "FATE_"), reason(finding));
    }
    terminal.print(table);
  }

  private static String reason(Finding finding) {
    if (!finding.getDetail().isEmpty()) {
      return finding.getDetail();
    }
    if (finding.getFate() == Fate.FATE_PRUNED) {
      return "left the beam at level " + finding.getLevel() + " with rank " + finding.getRank();
    }
    return finding.getFate() == Fate.FATE_OUTRANKED ? "rank " + finding.getRank() : "";
  }

  private static String word(String constant, String prefix) {
    return constant.replace(prefix, "").toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, Math.abs(value) >= 1000 ? "%.0f" : "%.3f", value);
  }

  private static String milliseconds(long micros) {
    return String.format(Locale.ROOT, "%.1f ms", micros / 1000.0);
  }
}

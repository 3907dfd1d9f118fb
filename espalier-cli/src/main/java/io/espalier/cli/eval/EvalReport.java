package io.espalier.cli.eval;

import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/** The figures of all sources, the route's last, and how they are printed. */
public final class EvalReport {
  /** Deadline of one call: far beyond any budget, so that nothing is left out for lack of time. */
  static final long CALL_SECONDS = 120;

  private final List<Figures> figures;
  private final Optional<Figures> oracle;
  private final Optional<ExposureReport> exposure;

  EvalReport(List<Figures> figures, Optional<Figures> oracle, Optional<ExposureReport> exposure) {
    this.figures = List.copyOf(figures);
    this.oracle = oracle;
    this.exposure = exposure;
  }

  /** What the lists held of the catalogue; empty for a search. */
  public Optional<ExposureReport> exposure() {
    return exposure;
  }

  /** One JSON object a line. */
  public void printJson(Terminal terminal) {
    figures.forEach(f -> terminal.out().println(f.toJson()));
    terminal.out().flush();
  }

  /** A table of all figures. */
  public Table table() {
    Table table = new Table().column("source", Side.LEFT);
    for (String column :
        List.of(
            "cases", "R@5", "R@10", "R@100", "NDCG@5", "NDCG@10", "illegal", "short", "degraded")) {
      table.column(column, Side.RIGHT);
    }
    List<Figures> rows = new ArrayList<>(figures);
    oracle.ifPresent(rows::add);
    for (Figures f : rows) {
      table.row(
          f.source(),
          Integer.toString(f.cases()),
          share(Figures.mean(f.recall5)),
          share(Figures.mean(f.recall10)),
          f.reaches100() ? share(Figures.mean(f.recall100)) : "–",
          share(Figures.mean(f.ndcg5)),
          share(Figures.mean(f.ndcg10)),
          Integer.toString(f.illegal()),
          Integer.toString(f.shortLists()),
          Integer.toString(f.degraded()));
    }
    return table;
  }

  /**
   * How much of what the generator's own oracle finds each source finds; empty without an oracle.
   */
  public List<String> shareOfOracle() {
    List<String> lines = new ArrayList<>();
    oracle.ifPresent(
        best ->
            figures.forEach(
                f ->
                    lines.add(
                        String.format(
                            Locale.ROOT,
                            "%s finds %.1f %% of what the oracle finds at 10, %.1f %% at 100",
                            f.source(),
                            100 * Figures.mean(f.recall10) / Figures.mean(best.recall10),
                            100 * Figures.mean(f.recall100) / Figures.mean(best.recall100)))));
    return lines;
  }

  /** What was left out of whose answers, and how often. */
  public List<String> degradations() {
    return figures.stream()
        .filter(f -> !f.degradations().isEmpty())
        .map(f -> f.source() + " degraded: " + f.degradations())
        .toList();
  }

  /** The route against the best single source, on the two headline measures. */
  public List<String> routeAgainstBestSource() {
    if (figures.size() < 2) {
      return List.of();
    }
    return List.of(
        against("R@10", bestSource(f -> f.recall10), f -> f.recall10),
        against("NDCG@10", bestSource(f -> f.ndcg10), f -> f.ndcg10));
  }

  /** The route against a named source, as a ratio of means. */
  String routeRatio(String baseline, String measure, Function<Figures, double[]> values) {
    PairedBootstrap.Interval ratio =
        PairedBootstrap.ratio(values.apply(route()), values.apply(named(baseline)));
    return String.format(
        Locale.ROOT,
        "route ÷ %s, %s: %.3f, 95 %% interval %.3f to %.3f (paired bootstrap, seed %d)",
        baseline,
        measure,
        ratio.value(),
        ratio.low(),
        ratio.high(),
        PairedBootstrap.SEED);
  }

  private String against(String measure, Figures baseline, Function<Figures, double[]> values) {
    PairedBootstrap.Interval gap =
        PairedBootstrap.difference(values.apply(route()), values.apply(baseline));
    return String.format(
        Locale.ROOT,
        "route − %s (best single source), %s: %+.4f, 95 %% interval %+.4f to %+.4f (paired"
            + " bootstrap, seed %d)",
        baseline.source(),
        measure,
        gap.value(),
        gap.low(),
        gap.high(),
        PairedBootstrap.SEED);
  }

  private Figures bestSource(Function<Figures, double[]> values) {
    return figures.subList(0, figures.size() - 1).stream()
        .max(Comparator.comparingDouble(f -> Figures.mean(values.apply(f))))
        .orElseThrow();
  }

  Figures named(String source) {
    return figures.stream().filter(f -> f.source().equals(source)).findFirst().orElseThrow();
  }

  Figures route() {
    return figures.getLast();
  }

  static String share(double value) {
    return String.format(Locale.ROOT, "%.4f", value);
  }
}

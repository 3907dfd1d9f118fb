package io.espalier.cli.eval;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.cli.show.Table;
import io.espalier.cli.show.Table.Side;
import io.espalier.cli.show.Terminal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How much of the catalogue the lists of each source and the route hold, and how unevenly, beside
 * what the users took themselves.
 */
public final class ExposureReport {
  private final Map<String, Exposure.Shares> shares = new LinkedHashMap<>();

  ExposureReport(List<String> catalogue, Exposure histories, List<Figures> figures) {
    shares.put("histories", histories.of(catalogue));
    figures.forEach(f -> shares.put(f.source(), f.exposure().of(catalogue)));
  }

  /** One JSON object a source. */
  public void printJson(Terminal terminal) {
    shares.forEach(
        (source, of) -> {
          ObjectNode json = JsonNodeFactory.instance.objectNode();
          json.put("source", source);
          json.put("shown@10", Figures.rounded(of.shown()));
          json.put("listed", Figures.rounded(of.listed()));
          json.put("gini@10", Figures.rounded(of.gini()));
          json.put("top1%@10", Figures.rounded(of.topPercent()));
          terminal.out().println(json);
        });
    terminal.out().flush();
  }

  /** A table of all shares. */
  public Table table() {
    Table table = new Table().column("exposure", Side.LEFT);
    for (String column : List.of("shown@10", "listed", "Gini@10", "top 1%@10")) {
      table.column(column, Side.RIGHT);
    }
    shares.forEach(
        (source, of) ->
            table.row(
                source,
                EvalReport.share(of.shown()),
                EvalReport.share(of.listed()),
                EvalReport.share(of.gini()),
                EvalReport.share(of.topPercent())));
    return table;
  }
}

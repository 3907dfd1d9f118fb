package io.espalier.cli;

import io.espalier.catalog.CatalogChange;
import io.espalier.cli.show.Terminal;
import io.espalier.stores.catalog.DataFolder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code espalier upsert FILE}. */
@Command(
    name = "upsert",
    description = "Gives a running catalogue items, new ones or changed ones.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier upsert items.jsonl       one JSON object a line, as in a data folder:",
      "    {\"id\": \"P09000\", \"title\": \"Folding kettle\", \"brand\": \"Arbor\", \"price\": 29.9,"
          + " \"stock\": 4}"
    })
final class UpsertCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Parameters(paramLabel = "FILE", description = "The items.")
  Path file = Path.of("");

  @Mixin CatalogOptions catalogue = new CatalogOptions();

  UpsertCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws InterruptedException {
    List<CatalogChange> changes =
        DataFolder.readItems(file).stream()
            .<CatalogChange>map(item -> new CatalogChange.Upsert(item, Map.of()))
            .toList();
    return catalogue.send(changes, terminal);
  }
}

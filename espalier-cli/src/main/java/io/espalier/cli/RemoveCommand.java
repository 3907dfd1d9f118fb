package io.espalier.cli;

import io.espalier.catalog.CatalogChange;
import io.espalier.cli.show.Terminal;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code espalier remove ITEM…}. */
@Command(
    name = "remove",
    description = "Takes items out of a running catalogue.",
    footerHeading = "%nExamples:%n",
    footer = "  ./espalier remove P00012 P00013")
final class RemoveCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Parameters(arity = "1..*", paramLabel = "ITEM", description = "The items' ids.")
  List<String> items = new ArrayList<>();

  @Mixin CatalogOptions catalogue = new CatalogOptions();

  RemoveCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws InterruptedException {
    return catalogue.send(
        items.stream().<CatalogChange>map(CatalogChange.Removal::new).toList(), terminal);
  }
}

package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier search QUERY}. */
@Command(
    name = "search",
    description =
        "Asks a running router for the items that answer a query, and shows where each came from.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier search \"wireless headphones\"",
      "  ./espalier search \"running shoes\" --where 'price<=80' --where 'color=red|blue'"
          + " --page-size 20",
      "  ./espalier search \"sofa\" --user U000042 --full     every score behind each item",
      "  ./espalier search \"sofa\" --json | jq '.page.items[].itemId'"
    })
final class SearchCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Parameters(paramLabel = "QUERY", description = "What to look for, 1 to 512 characters.")
  String query = "";

  @Option(
      names = "--user",
      paramLabel = "USER",
      defaultValue = "",
      description = "Who asks (default: nobody).")
  String user = "";

  @Mixin RouterOptions router = new RouterOptions();
  @Mixin RouterOptions.Wanted wanted = new RouterOptions.Wanted();
  @Mixin ShowOptions show = new ShowOptions();

  SearchCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() {
    SearchRequest request =
        SearchRequest.newBuilder()
            .setQuery(query)
            .setUser(wanted.user(user))
            .setOptions(wanted.toProto())
            .build();
    SearchResponse response = router.ask(stub -> stub.search(request));
    if (show.json) {
      ShowOptions.printJson(terminal, response);
    } else {
      show.view(terminal, home)
          .print("search \"" + query + "\"", response.getRewritesList(), response.getPage());
    }
    return ExitCode.OK;
  }
}

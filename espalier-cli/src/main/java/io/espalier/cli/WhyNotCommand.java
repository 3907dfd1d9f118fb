package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.WhyNotRequest;
import io.espalier.router.v1.WhyNotResponse;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier why-not ITEM}. */
@Command(
    name = "why-not",
    description =
        "Says why an item is not in an answer, stage by stage: filtered, pruned from a beam,"
            + " outranked.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier why-not P02607 --user U000042               absent from the user's feed",
      "  ./espalier why-not P02607 --query \"wireless headphones\"",
      "  ./espalier why-not P02607 --user U000042 --where 'price<=50'"
    })
final class WhyNotCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Parameters(paramLabel = "ITEM", description = "The item's id.")
  String item = "";

  @Option(
      names = "--user",
      paramLabel = "USER",
      defaultValue = "",
      description = "Whose list (default: nobody's).")
  String user = "";

  @Option(
      names = "--query",
      paramLabel = "QUERY",
      defaultValue = "",
      description = "Absent from this search (default: from the feed).")
  String query = "";

  @Mixin RouterOptions router = new RouterOptions();
  @Mixin RouterOptions.Wanted wanted = new RouterOptions.Wanted();
  @Mixin ShowOptions show = new ShowOptions();

  WhyNotCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() {
    WhyNotRequest.Builder request = WhyNotRequest.newBuilder().setItemId(item);
    if (query.isEmpty()) {
      request.setRecommend(
          RecommendRequest.newBuilder().setUser(wanted.user(user)).setOptions(wanted.toProto()));
    } else {
      request.setSearch(
          SearchRequest.newBuilder()
              .setQuery(query)
              .setUser(wanted.user(user))
              .setOptions(wanted.toProto()));
    }
    WhyNotResponse response = router.ask(stub -> stub.whyNot(request.build()));
    if (show.json) {
      ShowOptions.printJson(terminal, response);
    } else {
      show.view(terminal, home).print(item, response);
    }
    return ExitCode.OK;
  }
}

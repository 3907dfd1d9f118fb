package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code espalier recommend USER}. */
@Command(
    name = "recommend",
    description = "Asks a running router for a user's feed, and shows where each item came from.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier recommend U000042",
      "  ./espalier recommend U000042 --where 'stock>=1' --full",
      "  ./espalier recommend someone --history P00012,P02607     a user the cluster does not know",
      "  ./espalier recommend newcomer                           nobody knows him: the cold-start"
          + " list"
    })
final class RecommendCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Parameters(paramLabel = "USER", description = "The user's id.")
  String user = "";

  @Mixin RouterOptions router = new RouterOptions();
  @Mixin RouterOptions.Wanted wanted = new RouterOptions.Wanted();
  @Mixin ShowOptions show = new ShowOptions();

  RecommendCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() {
    RecommendRequest request =
        RecommendRequest.newBuilder()
            .setUser(wanted.user(user))
            .setOptions(wanted.toProto())
            .build();
    RecommendResponse response = router.ask(stub -> stub.recommend(request));
    if (show.json) {
      ShowOptions.printJson(terminal, response);
    } else {
      show.view(terminal, home).print("feed of " + user, List.of(), response.getPage());
    }
    return ExitCode.OK;
  }
}

package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.router.v1.EraseUserRequest;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code espalier erase USER}. */
@Command(
    name = "erase",
    description =
        "Has a running router forget a user: events, history, lists, and what any router logged of him.",
    footerHeading = "%nExamples:%n",
    footer = "  ./espalier erase U000042")
final class EraseCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Parameters(paramLabel = "USER", description = "The user's id.")
  String user = "";

  @Mixin RouterOptions router = new RouterOptions();

  EraseCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    router.ask(stub -> stub.eraseUser(EraseUserRequest.newBuilder().setUserId(user).build()));
    terminal.out().println("erased " + user);
    return ExitCode.OK;
  }
}

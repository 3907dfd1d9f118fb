package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.RecordEventsResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier record USER ITEM…}. */
@Command(
    name = "record",
    description = "Tells a running router what a user did; the next feed knows it.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier record U000042 P02607",
      "  ./espalier record U000042 P02607 --kind purchase --request 4f1c…     the answer that it"
          + " follows from"
    })
final class RecordCommand implements Callable<Integer> {
  /** What a user may have done. */
  enum Kind {
    IMPRESSION,
    CLICK,
    ADD_TO_CART,
    PURCHASE;

    EventKind toProto() {
      return EventKind.valueOf("EVENT_KIND_" + name());
    }

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private final Terminal terminal;

  @Parameters(index = "0", paramLabel = "USER", description = "The user's id.")
  String user = "";

  @Parameters(
      index = "1..*",
      arity = "1..*",
      paramLabel = "ITEM",
      description = "The items' ids, oldest first.")
  List<String> items = new ArrayList<>();

  @Option(
      names = "--kind",
      defaultValue = "click",
      description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  Kind kind = Kind.CLICK;

  @Option(
      names = "--request",
      paramLabel = "ID",
      defaultValue = "",
      description = "Request id of the answer that it follows from.")
  String request = "";

  @Mixin RouterOptions router = new RouterOptions();

  RecordCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    RecordEventsRequest.Builder events =
        RecordEventsRequest.newBuilder().setUserId(user).setRequestId(request);
    for (String item : items) {
      events.addEvents(
          Event.newBuilder()
              .setEventId(UUID.randomUUID().toString())
              .setItemId(item)
              .setKind(kind.toProto()));
    }
    RecordEventsResponse response = router.ask(stub -> stub.recordEvents(events.build()));
    terminal
        .out()
        .println(
            "recorded "
                + response.getAccepted()
                + " events, "
                + response.getDuplicates()
                + " known already");
    return ExitCode.OK;
  }
}

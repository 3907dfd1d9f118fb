package io.espalier.cli;

import io.espalier.cli.cluster.UserStates;
import io.espalier.cli.events.EventJoin;
import io.espalier.cli.events.LoggedEvents;
import io.espalier.cli.events.RowWriter;
import io.espalier.cli.show.Terminal;
import io.espalier.stores.users.UserKeys;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code espalier events export}. */
@Command(
    name = "export",
    description = {
      "Writes a line for each item that was shown, with what the user did with it afterwards, ready to"
          + " train on.",
      "Routers may go on writing meanwhile. What erased users were shown and did cannot be read."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier events export --log state/events --state state --out rows.jsonl",
      "  ./espalier events export --log kafka://127.0.0.1:9092/events-a --log"
          + " kafka://127.0.0.1:9092/events-b \\",
      "      --state redis://127.0.0.1:6379/0 --window 168h --format csv --out rows.csv"
    })
final class EventsExportCommand implements Callable<Integer> {
  enum Format {
    JSONL,
    CSV;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private final Terminal terminal;

  @Option(
      names = "--log",
      required = true,
      paramLabel = "WHERE",
      description = "A router's event log: a folder, or kafka://host:port/topic; one or many.")
  List<String> logs = new ArrayList<>();

  @Option(
      names = "--state",
      required = true,
      paramLabel = "WHERE",
      description = "Where the routers have users' state, and with it their keys.")
  String state = "";

  @Option(
      names = "--window",
      paramLabel = "TIME",
      converter = Durations.class,
      description = "How long after it was shown a click or a purchase counts (default: 24h).")
  Duration window = Duration.ofHours(24);

  @Option(
      names = "--format",
      defaultValue = "jsonl",
      description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
  Format format = Format.JSONL;

  @Option(
      names = "--user-ids",
      description = "Name users by their ids instead of a hash that only tells them apart.")
  boolean userIds;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Where the lines go (default: standard output).")
  @Nullable Path out;

  EventsExportCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws IOException {
    Path file = out;
    try (UserKeys keys = UserStates.keys(state)) {
      LoggedEvents events = new LoggedEvents(logs, keys);
      EventJoin.Counts counts;
      if (file == null) {
        counts = export(events, terminal.out());
        terminal.out().flush();
      } else {
        try (BufferedWriter writer = Files.newBufferedWriter(file)) {
          counts = export(events, writer);
        }
      }
      terminal
          .err()
          .printf(
              Locale.ROOT,
              "%,d rows of %,d pages; %,d of %,d interactions joined; %,d records twice; %,d of"
                  + " erased users%n",
              counts.rows(),
              counts.pages(),
              counts.joined(),
              counts.interactions(),
              counts.twice(),
              events.erased());
      terminal.err().flush();
      return ExitCode.OK;
    }
  }

  private EventJoin.Counts export(LoggedEvents events, Writer writer) {
    RowWriter rows = new RowWriter(writer, format == Format.CSV, userIds);
    return new EventJoin(window).run(events, rows::write);
  }
}

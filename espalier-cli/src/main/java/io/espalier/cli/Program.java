package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** The tree of commands. */
final class Program {
  /** Lines that every command's help ends with. */
  static final String EXIT_CODES =
      "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 something is missing on this machine; 4 no"
          + " server answered.";

  private static final int WIDEST_HELP = 120;

  private Program() {}

  @Command(
      name = "espalier",
      description = {
        "Search and feed over a catalogue: generative recall, ranking and query rewriting behind"
            + " one gRPC call.",
        ""
      },
      synopsisSubcommandLabel = "COMMAND",
      footerHeading = "%nStart here:%n",
      footer = {
        "  ./espalier up --once                        build, start, answer one search and one"
            + " feed, stop",
        "  ./espalier up                               the whole cluster in one process",
        "  ./espalier search \"wireless headphones\"     ask it, from another terminal",
        "  ./espalier recommend U000042                 a feed, with where each item came from",
        "  ./espalier COMMAND --help                   examples for each command",
        "",
        EXIT_CODES
      })
  private static final class Root {}

  @Command(
      name = "events",
      description = "Looks at what routers logged: what was shown, and what users did.",
      synopsisSubcommandLabel = "COMMAND")
  private static final class EventsRoot {}

  @Command(
      name = "features",
      description = "Puts features of items where ranking servers look them up.",
      synopsisSubcommandLabel = "COMMAND")
  private static final class FeaturesRoot {}

  static CommandLine commandLine(Terminal terminal, Home home) {
    // Its remarks quote what was given, which may be a secret.
    CommandLine.tracer().setLevel(CommandLine.TraceLevel.OFF);
    CommandLine root =
        new CommandLine(new Root())
            .addSubcommand(new UpCommand(terminal, home))
            .addSubcommand(new ServeCommand(terminal, home))
            .addSubcommand(new SearchCommand(terminal, home))
            .addSubcommand(new RecommendCommand(terminal, home))
            .addSubcommand(new WhyNotCommand(terminal, home))
            .addSubcommand(new RecordCommand(terminal))
            .addSubcommand(new EraseCommand(terminal))
            .addSubcommand(
                new CommandLine(new EventsRoot()).addSubcommand(new EventsExportCommand(terminal)))
            .addSubcommand(
                new CommandLine(new FeaturesRoot())
                    .addSubcommand(new FeaturesLoadCommand(terminal, home)))
            .addSubcommand(new UpsertCommand(terminal))
            .addSubcommand(new RemoveCommand(terminal))
            .addSubcommand(new SnapshotsCommand(terminal))
            .addSubcommand(new DriftCommand(terminal))
            .addSubcommand(new ReadyCommand(terminal))
            .addSubcommand(new EvalCommand(terminal, home))
            .addSubcommand(new ValidateCommand(terminal, home))
            .addSubcommand(
                new CommandLine(new BundleCommand(terminal))
                    .addSubcommand(new BundleListCommand(terminal, home)))
            .addSubcommand(new RoutesCommand(terminal))
            .addSubcommand(new ReplayCommand(terminal))
            .addSubcommand(new TrainCommand(terminal, home))
            .addSubcommand(new ShopCommand(terminal, home))
            .addSubcommand(new TextSearchCommand(terminal));
    settle(root);
    return root.setOut(terminal.out())
        .setErr(terminal.err())
        .setUsageHelpWidth(Math.min(terminal.width(), WIDEST_HELP))
        .setParameterExceptionHandler(Program::refuse)
        .setExecutionExceptionHandler(new Failures(terminal));
  }

  /**
   * One line that says what is wrong and where help is; the whole help only where no command was
   * named.
   */
  private static int refuse(ParameterException failure, String[] args) {
    CommandLine command = failure.getCommandLine();
    if (args.length == 0) {
      command.usage(command.getErr());
      return ExitCode.USAGE;
    }
    String name = command.getCommandSpec().qualifiedName(" ");
    command.getErr().println(name + ": " + failure.getMessage());
    UnmatchedArgumentException.printSuggestions(failure, command.getErr());
    command.getErr().println("  ./" + name + " --help   shows what it takes");
    return ExitCode.USAGE;
  }

  private static void settle(CommandLine command) {
    // Methods that are commands say it themselves: picocli finds their arguments by place, and what
    // is mixed in later moves them.
    command.getCommandSpec().mixinStandardHelpOptions(true).version("espalier " + version());
    UsageMessageSpec usage = command.getCommandSpec().usageMessage();
    boolean group = !command.getSubcommands().isEmpty();
    if (group) {
      // A command that only has subcommands prints its help; asked wrongly, its exit code says so.
      usage.commandListHeading("%nCommands:%n");
    }
    List<String> footer = List.of(usage.footer());
    if (!footer.contains(EXIT_CODES) && !(group && footer.isEmpty())) {
      usage.footer(
          Stream.concat(footer.stream(), Stream.of("", EXIT_CODES)).toArray(String[]::new));
    }
    command.getSubcommands().values().forEach(Program::settle);
  }

  static String version() {
    String version = Program.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }
}

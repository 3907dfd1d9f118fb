package io.espalier.loadtest;

import io.espalier.loadtest.crash.KillWriterCommand;
import io.espalier.loadtest.driver.Report;
import io.espalier.loadtest.faults.FaultsCommand;
import io.espalier.loadtest.hangup.HangUpCommand;
import io.espalier.loadtest.live.LiveCatalogueCommand;
import io.espalier.loadtest.live.SoakCommand;
import io.espalier.loadtest.live.SwitchCommand;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The program: one command for each measurement. */
@Command(
    name = "loadtest",
    description = "Measures served latency, and proves what must not break.")
public final class Main {
  private Main() {}

  /** Runs one command and exits with its code. */
  public static void main(String[] args) {
    Report report = new Report(new PrintWriter(System.out, true, StandardCharsets.UTF_8));
    CommandLine program =
        new CommandLine(new Main())
            .addSubcommand(new RunCommand(report))
            .addSubcommand(new OverloadCommand(report))
            .addSubcommand(new ShapesCommand(report))
            .addSubcommand(new KillWriterCommand(report))
            .addSubcommand(new LiveCatalogueCommand(report))
            .addSubcommand(new FaultsCommand(report))
            .addSubcommand(new SwitchCommand(report))
            .addSubcommand(new HangUpCommand(report))
            .addSubcommand(new SoakCommand(report))
            .setCaseInsensitiveEnumValuesAllowed(true)
            .setExecutionExceptionHandler(Main::fail);
    program.getCommandSpec().mixinStandardHelpOptions(true);
    program
        .getSubcommands()
        .values()
        .forEach(command -> command.getCommandSpec().mixinStandardHelpOptions(true));
    System.exit(program.execute(args));
  }

  private static int fail(Exception failure, CommandLine command, CommandLine.ParseResult parsed) {
    command.getErr().println(command.getCommandName() + ": " + failure.getMessage());
    if ("1".equals(System.getenv("ESPALIER_STACKTRACE"))) {
      failure.printStackTrace(command.getErr());
    }
    return CommandLine.ExitCode.SOFTWARE;
  }
}

package io.espalier.cli;

import io.espalier.bundles.BundleException;
import io.espalier.cli.show.Terminal;
import io.espalier.inference.ModelException;
import io.espalier.server.Caller;
import io.espalier.server.ConfigException;
import io.espalier.stores.catalog.InvalidDataException;
import io.espalier.stores.log.LogException;
import io.espalier.stores.users.UserStateException;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParseResult;

/**
 * Turns failures into one line and an exit code. {@code ESPALIER_STACKTRACE=1} shows where they
 * come from.
 */
final class Failures implements IExecutionExceptionHandler {
  private final Terminal terminal;

  Failures(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public int handleExecutionException(Exception failure, CommandLine command, ParseResult parsed) {
    terminal.out().flush();
    String name = command.getCommandSpec().qualifiedName(" ");
    terminal.err().println(name + ": " + message(failure));
    if ("1".equals(System.getenv("ESPALIER_STACKTRACE"))) {
      failure.printStackTrace(terminal.err());
    }
    terminal.err().flush();
    return exitCode(failure);
  }

  private static int exitCode(Exception failure) {
    return switch (failure) {
      case ProgramException known -> known.exitCode();
      case ConfigException known -> ExitCode.USAGE;
      case UserStateException known -> ExitCode.UNREACHABLE;
      case StatusRuntimeException status ->
          status.getStatus().getCode() == Status.Code.UNAVAILABLE
              ? ExitCode.UNREACHABLE
              : ExitCode.FAILED;
      default -> ExitCode.FAILED;
    };
  }

  private static String message(Exception failure) {
    return switch (failure) {
      case StatusRuntimeException status -> {
        String detail = status.getStatus().getDescription();
        yield status.getStatus().getCode()
            + Caller.tlsFailure(status)
                .map(why -> ": " + why)
                .orElse(detail == null ? "" : ": " + detail);
      }
      case UncheckedIOException io when io.getCause() instanceof NoSuchFileException missing ->
          missing.getFile() + ": no such file or folder (expected: one that exists)";
      case NoSuchFileException missing ->
          missing.getFile() + ": no such file or folder (expected: one that exists)";
      case ProgramException known -> text(known);
      case ConfigException known -> text(known);
      case ModelException known -> text(known);
      case IOException known -> text(known);
      case BundleException known -> text(known);
      case InvalidDataException known -> text(known);
      case LogException known -> text(known);
      case UserStateException known -> text(known);
      case IllegalArgumentException known -> text(known);
      case UncheckedIOException known -> text(known);
      default -> failure + " (unexpected: run again with ESPALIER_STACKTRACE=1 to see where)";
    };
  }

  private static String text(Exception failure) {
    String message = failure.getMessage();
    return message == null ? failure.toString() : message;
  }
}

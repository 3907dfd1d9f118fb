package io.espalier.cli;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import io.espalier.cli.show.AnswerView;
import io.espalier.cli.show.Terminal;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How an answer is shown: as tables, or as the message's JSON. */
final class ShowOptions {
  @Option(
      names = "--json",
      description = "Print the answer as one JSON object (protobuf's JSON form).")
  boolean json;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description =
          "Data folder to read titles and prices from (default: the built-in shop's, where it is).")
  @Nullable Path data;

  AnswerView view(Terminal terminal, Home home) {
    Path folder = data;
    return new AnswerView(terminal, CatalogLabels.of(folder == null ? home.shop() : folder));
  }

  static void printJson(Terminal terminal, MessageOrBuilder message) {
    try {
      terminal.out().println(JsonFormat.printer().omittingInsignificantWhitespace().print(message));
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalStateException("an answer that has no JSON form: " + e.getMessage(), e);
    }
    terminal.out().flush();
  }
}

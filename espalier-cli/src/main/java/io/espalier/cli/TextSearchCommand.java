package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.retrieval.BatchTextSearch;
import io.espalier.stores.catalog.DataFolder;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code espalier text-search}: many queries against the served text index, for recipes. */
@Command(
    name = "text-search",
    description = {
      "Searches many queries in a data folder with the very index that is served.",
      "Prints query, rank (from 1), item id and score, separated by tabs."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier text-search --data my-catalogue --queries queries.txt --k 100",
      "  ./espalier text-search --data my-catalogue --queries queries.txt --fields"
          + " title=3,brand=2:b=0:k1=0.6"
    })
final class TextSearchCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Option(names = "--data", required = true, paramLabel = "DIR", description = "The data folder.")
  Path data = Path.of("");

  @Option(
      names = "--queries",
      required = true,
      paramLabel = "FILE",
      description = "One query a line.")
  Path queries = Path.of("");

  @Option(
      names = "--k",
      paramLabel = "N",
      defaultValue = "100",
      description = "Hits a query (default: ${DEFAULT-VALUE}).")
  int k;

  @Option(
      names = "--fields",
      paramLabel = "FIELDS",
      defaultValue = BatchTextSearch.DEFAULT_FIELDS,
      description =
          "Fields with their weights, :b= and :k1= may follow one (default: ${DEFAULT-VALUE}).")
  String fields = "";

  @Option(
      names = "--analyzer",
      defaultValue = "english",
      description = "english or standard (default: ${DEFAULT-VALUE}).")
  String analyzer = "";

  @Option(
      names = "--tie-breaker",
      defaultValue = "0.3",
      description = "How much a term's other fields count, 0 to 1 (default: ${DEFAULT-VALUE}).")
  float tieBreaker;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "Where hits are written (default: standard output).")
  @Nullable Path out;

  TextSearchCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws IOException {
    terminal.out().flush();
    Path file = out;
    try (BatchTextSearch search =
        BatchTextSearch.open(
            DataFolder.open(data), BatchTextSearch.parseFields(fields), analyzer, tieBreaker)) {
      if (file == null) {
        // Buffered, and without the terminal's flush at each line: there may be a million hits.
        PrintStream hits =
            new PrintStream(
                new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        search.run(queries, k, hits);
        hits.flush();
      } else {
        try (PrintStream hits = new PrintStream(file.toFile(), StandardCharsets.UTF_8)) {
          search.run(queries, k, hits);
        }
      }
    }
    return ExitCode.OK;
  }
}

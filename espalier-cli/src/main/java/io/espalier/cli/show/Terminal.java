package io.espalier.cli.show;

import java.io.Console;
import java.io.PrintWriter;
import java.util.Map;
import java.util.Optional;

/**
 * Where a command writes.
 *
 * @param out results
 * @param err progress and remarks
 * @param width characters a line
 * @param colour whether escape codes for bold and dim text are welcome
 * @param live whether a line may be written over (progress bars)
 */
public record Terminal(PrintWriter out, PrintWriter err, int width, boolean colour, boolean live) {
  private static final int DEFAULT_WIDTH = 120;

  /**
   * The process's own: as wide as {@code COLUMNS} says, coloured unless {@code NO_COLOR} is set.
   */
  public static Terminal ofProcess(
      PrintWriter out, PrintWriter err, Map<String, String> environment) {
    boolean terminal = Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
    // What is piped is for a program, or for a pager that can scroll: nothing is cut.
    int width = terminal ? DEFAULT_WIDTH : Integer.MAX_VALUE;
    String columns = environment.getOrDefault("COLUMNS", "");
    if (columns.matches("[1-9][0-9]{1,3}")) {
      width = Math.max(60, Integer.parseInt(columns));
    }
    return new Terminal(
        out, err, width, terminal && !environment.containsKey("NO_COLOR"), terminal);
  }

  /** Bold where colour is welcome. */
  public String bold(String text) {
    return colour ? "\u001b[1m" + text + "\u001b[0m" : text;
  }

  /** Dim where colour is welcome. */
  public String dim(String text) {
    return colour ? "\u001b[2m" + text + "\u001b[0m" : text;
  }

  /** Prints a table, its header bold. */
  public void print(Table table) {
    boolean header = true;
    for (String line : table.lines(width)) {
      out.println(header ? bold(line) : line);
      header = false;
    }
    out.flush();
  }
}

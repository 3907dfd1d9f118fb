package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.logging.Level;
import java.util.logging.Logger;

/** The program {@code espalier}. */
public final class Main {
  // Held here: the logging system forgets a logger's level when nothing holds the logger.
  private static final Logger LUCENE = Logger.getLogger("org.apache.lucene");

  private Main() {}

  /** Runs one command and exits with its code. */
  public static void main(String[] args) {
    // Lucene recommends an incubator module for vectors, which nothing here searches with Lucene.
    LUCENE.setLevel(Level.SEVERE);
    PrintWriter out = utf8(FileDescriptor.out);
    PrintWriter err = utf8(FileDescriptor.err);
    Terminal terminal = Terminal.ofProcess(out, err, System.getenv());
    int code = Program.commandLine(terminal, Home.ofProcess()).execute(args);
    out.flush();
    err.flush();
    System.exit(code);
  }

  private static PrintWriter utf8(FileDescriptor descriptor) {
    return new PrintWriter(
        new OutputStreamWriter(new FileOutputStream(descriptor), StandardCharsets.UTF_8), true);
  }
}

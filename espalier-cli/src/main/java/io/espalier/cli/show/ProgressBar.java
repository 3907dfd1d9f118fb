package io.espalier.cli.show;

import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;

/**
 * How far a long piece of work is: a bar that is written over on a terminal, a line every tenth
 * elsewhere. Steps may come from any thread.
 */
public final class ProgressBar implements AutoCloseable {
  private static final int CELLS = 30;

  private final Terminal terminal;
  private final String what;
  private final long total;
  private final long startNanos = System.nanoTime();
  private final AtomicLong done = new AtomicLong();
  private long shownAtNanos;
  private long shownTenth;

  /** A bar for {@code total} steps (at least 1) of {@code what}. */
  public ProgressBar(Terminal terminal, String what, long total) {
    this.terminal = terminal;
    this.what = what;
    this.total = Math.max(1, total);
  }

  /** One step more. */
  public void step() {
    show(done.incrementAndGet());
  }

  private synchronized void show(long steps) {
    long now = System.nanoTime();
    if (terminal.live()) {
      if (now - shownAtNanos > 100_000_000L) {
        shownAtNanos = now;
        terminal.err().print("\r" + line(steps, now));
        terminal.err().flush();
      }
    } else if (steps * 10 / total > shownTenth) {
      shownTenth = steps * 10 / total;
      terminal.err().println(line(steps, now));
      terminal.err().flush();
    }
  }

  private String line(long steps, long now) {
    double share = Math.min(1, (double) steps / total);
    int full = (int) Math.round(share * CELLS);
    double seconds = (now - startNanos) / 1e9;
    double left = share == 0 ? 0 : seconds / share - seconds;
    return String.format(
        Locale.ROOT,
        "%-24s %s%s %3.0f %%  %d of %d  %.0f s, %.0f s left",
        what,
        "█".repeat(full),
        "░".repeat(CELLS - full),
        share * 100,
        steps,
        total,
        seconds,
        left);
  }

  /** Leaves the finished line behind. */
  @Override
  public synchronized void close() {
    if (terminal.live()) {
      terminal.err().println("\r" + line(done.get(), System.nanoTime()) + "\u001b[K");
      terminal.err().flush();
    }
  }
}

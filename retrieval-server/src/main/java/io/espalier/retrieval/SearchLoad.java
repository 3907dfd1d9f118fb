package io.espalier.retrieval;

import java.util.concurrent.atomic.AtomicInteger;

/** The beam searches that a server has in progress: what narrows those that allow it. */
final class SearchLoad {
  private final int processors;
  private final AtomicInteger searches = new AtomicInteger();

  SearchLoad(int processors) {
    this.processors = processors;
  }

  /** A search in progress; closed once. */
  interface Search extends AutoCloseable {
    @Override
    void close();
  }

  Search begin() {
    searches.incrementAndGet();
    return searches::decrementAndGet;
  }

  /**
   * The beams of a search that has begun: all that were asked for while few are in progress, then
   * fewer, so that all searches together have no more of them.
   */
  int width(int asked, Control.LoadWidth bounds) {
    int full = bounds.searches() == 0 ? processors : bounds.searches();
    int now = searches.get();
    if (now <= full) {
      return asked;
    }
    return Math.min(asked, Math.max(bounds.least(), (int) ((long) asked * full / now)));
  }
}

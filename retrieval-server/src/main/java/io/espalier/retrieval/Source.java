package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A bundle version that is searched, and what is given up with it. */
final class Source implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Source.class);

  private final Bundle bundle;
  private final Retriever retriever;
  private final Set<String> models;
  private final List<AutoCloseable> owned;

  /**
   * A source.
   *
   * @param models that it needs to answer
   * @param owned closed with it, the last first
   */
  Source(Bundle bundle, Retriever retriever, Set<String> models, List<AutoCloseable> owned) {
    this.bundle = bundle;
    this.retriever = retriever;
    this.models = Set.copyOf(models);
    this.owned = List.copyOf(owned);
  }

  Retriever retriever() {
    return retriever;
  }

  Set<String> models() {
    return models;
  }

  Bundle bundle() {
    return bundle;
  }

  @Override
  public void close() {
    close(owned);
  }

  static void close(List<AutoCloseable> closeables) {
    for (AutoCloseable closeable : closeables.reversed()) {
      try {
        closeable.close();
      } catch (Exception e) {
        log.warn("{} did not close", closeable, e);
      }
    }
  }
}

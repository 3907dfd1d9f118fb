package io.espalier.index.text;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;

/** Turns texts into terms without an index. Safe for use by many threads. */
public final class TermAnalyzer implements AutoCloseable {
  private static final String ANY_FIELD = "text";

  private final Analyzer analyzer;

  private TermAnalyzer(Analyzer analyzer) {
    this.analyzer = analyzer;
  }

  public static TermAnalyzer of(TextAnalysis analysis) {
    return new TermAnalyzer(analysis.analyzer());
  }

  /** The terms of a text, in order. */
  public List<String> terms(String text) {
    List<String> terms = new ArrayList<>();
    try (TokenStream stream = analyzer.tokenStream(ANY_FIELD, text)) {
      CharTermAttribute term = stream.addAttribute(CharTermAttribute.class);
      stream.reset();
      while (stream.incrementToken()) {
        terms.add(term.toString());
      }
      stream.end();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return terms;
  }

  @Override
  public void close() {
    analyzer.close();
  }
}

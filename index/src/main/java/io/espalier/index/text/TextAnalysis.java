package io.espalier.index.text;

import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.standard.StandardAnalyzer;

/** How text becomes terms. */
public enum TextAnalysis {
  /** Unicode words, lower case, English possessives and stop words removed, Porter's stemmer. */
  ENGLISH,
  /** Unicode words, lower case. */
  STANDARD;

  /**
   * The analysis of a name in a bundle: {@code english} or {@code standard}.
   *
   * @throws IllegalArgumentException for another name
   */
  public static TextAnalysis of(String name) {
    return switch (name) {
      case "english" -> ENGLISH;
      case "standard" -> STANDARD;
      default ->
          throw new IllegalArgumentException(
              "analyzer: " + name + " (expected: english or standard)");
    };
  }

  Analyzer analyzer() {
    return switch (this) {
      case ENGLISH -> new EnglishAnalyzer();
      case STANDARD -> new StandardAnalyzer();
    };
  }
}

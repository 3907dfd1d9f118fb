package io.espalier.index.text;

import io.espalier.index.ScoredItems;
import io.espalier.index.TopK;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.FieldType;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.IndexOptions;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LogDocMergePolicy;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.BoostQuery;
import org.apache.lucene.search.CollectorManager;
import org.apache.lucene.search.DisjunctionMaxQuery;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.Scorable;
import org.apache.lucene.search.ScoreMode;
import org.apache.lucene.search.SimpleCollector;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.search.similarities.PerFieldSimilarityWrapper;
import org.apache.lucene.search.similarities.Similarity;
import org.apache.lucene.store.ByteBuffersDirectory;
import org.jspecify.annotations.Nullable;

/**
 * Full-text search in memory: for each term of a query the best field counts whole and the others
 * times a tie-breaker, a field by its weight times its BM25.
 *
 * <p>BM25 is Lucene's: without the constant factor k1 + 1, document lengths in one byte (exact up
 * to 40 terms), a field's average length over the items that have the field. Every match is scored
 * by the same code whatever the filter, and equal scores go to the lower item, so answers are
 * deterministic. Safe for use by many threads.
 */
public final class TextIndex implements AutoCloseable {
  /** Distinct terms of a query that count; further ones are ignored. */
  public static final int MAX_TERMS = 64;

  private final List<TextField> fields;
  private final float tieBreaker;
  private final Analyzer analyzer;
  private final ByteBuffersDirectory directory;
  private final DirectoryReader reader;
  private final IndexSearcher searcher;

  /** Text of the items to index. */
  @FunctionalInterface
  public interface Texts {
    /** Text of an item's field; empty when it has none. */
    String text(int item, String field);
  }

  private TextIndex(
      List<TextField> fields,
      float tieBreaker,
      Analyzer analyzer,
      Similarity similarity,
      ByteBuffersDirectory directory)
      throws IOException {
    this.fields = List.copyOf(fields);
    this.tieBreaker = tieBreaker;
    this.analyzer = analyzer;
    this.directory = directory;
    this.reader = DirectoryReader.open(directory);
    this.searcher = new IndexSearcher(reader);
    searcher.setSimilarity(similarity);
    searcher.setQueryCache(null);
  }

  /**
   * Indexes a catalogue.
   *
   * @param fields the fields to search, at least one
   * @param tieBreaker share of a term's lesser fields in its score, 0..1
   * @param size number of items
   */
  public static TextIndex build(
      List<TextField> fields, TextAnalysis analysis, float tieBreaker, int size, Texts texts) {
    if (fields.isEmpty()) {
      throw new IllegalArgumentException("fields: none (expected: at least one)");
    }
    if (!(tieBreaker >= 0 && tieBreaker <= 1)) {
      throw new IllegalArgumentException("tie_breaker: " + tieBreaker + " (expected: 0..1)");
    }
    Analyzer analyzer = analysis.analyzer();
    Similarity similarity = similarity(fields);
    // Log merges join neighbours only: a document's number stays the item's index.
    IndexWriterConfig config =
        new IndexWriterConfig(analyzer)
            .setSimilarity(similarity)
            .setMergePolicy(new LogDocMergePolicy())
            .setRAMBufferSizeMB(256);
    ByteBuffersDirectory directory = new ByteBuffersDirectory();
    FieldType type = new FieldType();
    type.setTokenized(true);
    type.setIndexOptions(IndexOptions.DOCS_AND_FREQS);
    type.freeze();
    try {
      try (IndexWriter writer = new IndexWriter(directory, config)) {
        for (int item = 0; item < size; item++) {
          Document document = new Document();
          for (TextField field : fields) {
            String text = texts.text(item, field.name());
            if (!text.isBlank()) {
              document.add(new Field(field.name(), text, type));
            }
          }
          writer.addDocument(document);
        }
        writer.forceMerge(1);
      }
      return new TextIndex(fields, tieBreaker, analyzer, similarity, directory);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Similarity similarity(List<TextField> fields) {
    Map<String, Similarity> byField = new HashMap<>();
    for (TextField field : fields) {
      if (byField.put(field.name(), new BM25Similarity(field.k1(), field.b())) != null) {
        throw new IllegalArgumentException("fields: " + field.name() + " twice (expected: once)");
      }
    }
    Similarity other = new BM25Similarity();
    return new PerFieldSimilarityWrapper() {
      @Override
      public Similarity get(String name) {
        return byField.getOrDefault(name, other);
      }
    };
  }

  /** Number of items. */
  public int size() {
    return reader.maxDoc();
  }

  /**
   * The k items that match best; only items that have a term of the query are found.
   *
   * @param legal items that may be returned; null for all
   */
  public ScoredItems search(String text, int k, @Nullable BitSet legal) {
    Query query = query(text);
    TopK best = new TopK(Math.min(k, Math.max(1, size())));
    try {
      searcher.search(query, new Matches(best, legal));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return best.drain();
  }

  /** The terms of a text, in order, as the index sees them. */
  public List<String> terms(String text) {
    List<String> terms = new ArrayList<>();
    try (TokenStream stream = analyzer.tokenStream(fields.getFirst().name(), text)) {
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

  private Query query(String text) {
    Map<String, Integer> counts = new LinkedHashMap<>();
    for (String term : terms(text)) {
      if (counts.containsKey(term) || counts.size() < MAX_TERMS) {
        counts.merge(term, 1, Integer::sum);
      }
    }
    BooleanQuery.Builder all = new BooleanQuery.Builder();
    counts.forEach(
        (term, count) -> {
          List<Query> byField = new ArrayList<>(fields.size());
          for (TextField field : fields) {
            byField.add(
                new BoostQuery(
                    new TermQuery(new Term(field.name(), term)), field.weight() * count));
          }
          all.add(new DisjunctionMaxQuery(byField, tieBreaker), BooleanClause.Occur.SHOULD);
        });
    return all.build();
  }

  @Override
  public void close() {
    try {
      reader.close();
      directory.close();
      analyzer.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Offers every legal match to one heap; the searcher has no executor, so one thread does. */
  private record Matches(TopK best, @Nullable BitSet legal)
      implements CollectorManager<MatchCollector, TopK> {
    @Override
    public MatchCollector newCollector() {
      return new MatchCollector(best, legal);
    }

    @Override
    public TopK reduce(Collection<MatchCollector> collectors) {
      return best;
    }
  }

  private static final class MatchCollector extends SimpleCollector {
    private final TopK best;
    private final @Nullable BitSet legal;
    private @Nullable Scorable scorer;

    MatchCollector(TopK best, @Nullable BitSet legal) {
      this.best = best;
      this.legal = legal;
    }

    @Override
    public ScoreMode scoreMode() {
      return ScoreMode.COMPLETE;
    }

    @Override
    public void setScorer(Scorable scorer) {
      this.scorer = scorer;
    }

    @Override
    public void collect(int doc) throws IOException {
      if (scorer != null && (legal == null || legal.get(doc))) {
        best.offer(doc, scorer.score());
      }
    }
  }
}

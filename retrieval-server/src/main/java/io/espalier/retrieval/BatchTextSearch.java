package io.espalier.retrieval;

import io.espalier.index.ScoredItems;
import io.espalier.index.text.TextAnalysis;
import io.espalier.index.text.TextField;
import io.espalier.index.text.TextIndex;
import io.espalier.stores.catalog.DataFolder;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Full-text search of many queries over a data folder, for recipes that score against the served
 * index.
 *
 * <pre>{@code
 * List<TextField> fields = BatchTextSearch.parseFields("title=3,brand=2:b=0:k1=0.6");
 * try (BatchTextSearch search =
 *     BatchTextSearch.open(DataFolder.open(dir), fields, "english", 0.3f)) {
 *   search.run(queriesFile, 100, System.out);
 * }
 * }</pre>
 *
 * <p>Prints one line a hit, {@code query<TAB>rank<TAB>id<TAB>score}, rank from 1, queries in the
 * order of the file; a query without hits has no line.
 */
public final class BatchTextSearch implements AutoCloseable {
  /** The fields, weights and BM25 parameters where none are given. */
  public static final String DEFAULT_FIELDS =
      "title=3,brand=2,category=1,attributes=1,description=1";

  private static final float DEFAULT_B = 0.75f;
  private static final float DEFAULT_K1 = 1.2f;

  private final DataFolder data;
  private final TextIndex index;

  private BatchTextSearch(DataFolder data, TextIndex index) {
    this.data = data;
    this.index = index;
  }

  /**
   * Reads {@code field=weight} pairs joined by commas; {@code :b=…} and {@code :k1=…} may follow a
   * weight (defaults 0.75 and 1.2).
   *
   * @throws IllegalArgumentException that names the part that is wrong
   */
  public static List<TextField> parseFields(String text) {
    List<TextField> fields = new ArrayList<>();
    for (String part : text.split(",", -1)) {
      String[] settings = part.split(":", -1);
      int equals = settings[0].indexOf('=');
      String name = equals < 0 ? settings[0] : settings[0].substring(0, equals);
      if (!ItemTexts.FIELDS.contains(name)) {
        throw new IllegalArgumentException(
            "fields: " + part + " (expected: one of " + String.join(", ", ItemTexts.FIELDS) + ")");
      }
      float weight = equals < 0 ? 1 : number(part, settings[0].substring(equals + 1));
      float b = DEFAULT_B;
      float k1 = DEFAULT_K1;
      for (int i = 1; i < settings.length; i++) {
        if (settings[i].startsWith("b=")) {
          b = number(part, settings[i].substring(2));
        } else if (settings[i].startsWith("k1=")) {
          k1 = number(part, settings[i].substring(3));
        } else {
          throw new IllegalArgumentException(
              "fields: " + part + " (expected: field=weight:b=0.75:k1=1.2)");
        }
      }
      fields.add(new TextField(name, weight, b, k1));
    }
    return List.copyOf(fields);
  }

  private static float number(String part, String text) {
    try {
      return Float.parseFloat(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("fields: " + part + " (expected: a number)", e);
    }
  }

  /**
   * Indexes the items of a data folder.
   *
   * @param analyzer {@code english} or {@code standard}
   * @param tieBreaker share of a term's lesser fields in its score, 0..1 (1: the plain sum)
   */
  public static BatchTextSearch open(
      DataFolder data, List<TextField> fields, String analyzer, float tieBreaker) {
    return new BatchTextSearch(
        data,
        TextIndex.build(
            fields,
            TextAnalysis.of(analyzer),
            tieBreaker,
            data.items().size(),
            new ItemTexts(data.items())));
  }

  /**
   * Searches each line of a file.
   *
   * @param queries one query a line; what follows a tab is not read
   * @param k most hits a query
   */
  public void run(Path queries, int k, PrintStream out) throws IOException {
    for (String line : Files.readAllLines(queries)) {
      int tab = line.indexOf('\t');
      run(tab < 0 ? line : line.substring(0, tab), k, out);
    }
    out.flush();
  }

  private void run(String query, int k, PrintStream out) {
    ScoredItems found = index.search(query, k, null);
    for (int rank = 0; rank < found.size(); rank++) {
      out.print(query);
      out.print('\t');
      out.print(rank + 1);
      out.print('\t');
      out.print(data.item(found.item(rank)).id());
      out.print('\t');
      out.print(String.format(Locale.ROOT, "%.6f", found.score(rank)));
      out.print('\n');
    }
  }

  @Override
  public void close() {
    index.close();
  }
}

package io.espalier.retrieval;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.Parameters;
import io.espalier.index.ScoredItems;
import io.espalier.index.text.TextAnalysis;
import io.espalier.index.text.TextField;
import io.espalier.index.text.TextIndex;
import io.espalier.stores.catalog.CatalogItem;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Full-text search over the data folder's items with a bundle's fields and analysis. */
final class TextSearch implements ItemSearch, AutoCloseable {
  private final TextIndex index;

  private TextSearch(TextIndex index) {
    this.index = index;
  }

  static TextSearch open(Bundle bundle, List<CatalogItem> items) {
    List<TextField> fields = new ArrayList<>();
    for (Parameters field : bundle.parameters().maps("fields")) {
      String name = field.text("name");
      if (!ItemTexts.FIELDS.contains(name)) {
        throw field.wrong("name", name, "one of " + String.join(", ", ItemTexts.FIELDS));
      }
      fields.add(
          new TextField(
              name,
              (float) field.number("weight"),
              (float) field.number("b"),
              (float) field.number("k1")));
    }
    return new TextSearch(
        TextIndex.build(
            fields,
            TextAnalysis.of(bundle.parameters().text("analyzer")),
            (float) bundle.parameters().number("tie_breaker", 1),
            items.size(),
            new ItemTexts(items)));
  }

  @Override
  public Needs needs() {
    return Needs.QUERY;
  }

  @Override
  public ScoreKind scoreKind() {
    return ScoreKind.BM25;
  }

  @Override
  public ScoredItems search(Question question, int[] history, int k, @Nullable BitSet legal) {
    return index.search(question.query(), k, legal);
  }

  @Override
  public void close() {
    index.close();
  }
}

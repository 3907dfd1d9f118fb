package io.espalier.retrieval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.index.text.TextField;
import io.espalier.stores.catalog.DataFolder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BatchTextSearchTest {

  @Test
  void run_queries_printsHitsInTheOrderOfTheFile(@TempDir Path dir) throws IOException {
    Files.writeString(
        dir.resolve("items.jsonl"),
        """
        {"id": "p1", "title": "Laser printer", "attributes": {"paper_size": "A4"}}
        {"id": "p2", "title": "Paper", "category": ["Office", "Printing"], "brand": "A4 Works"}
        """);
    Path queries =
        Files.writeString(dir.resolve("q.tsv"), "paper size\t3\nnothing here\nprinter\n");
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (BatchTextSearch search =
        BatchTextSearch.open(
            DataFolder.open(dir),
            BatchTextSearch.parseFields("title=3,attributes=1:b=0,category"),
            "english",
            0.5f)) {
      search.run(queries, 1, new PrintStream(out, false, StandardCharsets.UTF_8));
    }

    assertThat(out.toString(StandardCharsets.UTF_8).lines().map(l -> l.replaceAll("\t[^\t]+$", "")))
        .containsExactly("paper size\t1\tp2", "printer\t1\tp1");
  }

  @Test
  void parseFields_settings_areReadOrNamed() {
    assertThat(BatchTextSearch.parseFields("title=3,brand=2:k1=0.6:b=0"))
        .containsExactly(
            new TextField("title", 3, 0.75f, 1.2f), new TextField("brand", 2, 0, 0.6f));
    assertThat(BatchTextSearch.parseFields(BatchTextSearch.DEFAULT_FIELDS)).hasSize(5);
    assertThatThrownBy(() -> BatchTextSearch.parseFields("tittle=3"))
        .hasMessageContaining("fields: tittle=3 (expected: one of title, ");
    assertThatThrownBy(() -> BatchTextSearch.parseFields("title=x"))
        .hasMessage("fields: title=x (expected: a number)");
    assertThatThrownBy(() -> BatchTextSearch.parseFields("title=1:c=3"))
        .hasMessageContaining("title=1:c=3");
  }
}

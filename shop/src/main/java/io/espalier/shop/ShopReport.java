package io.espalier.shop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A printed comparison of a shop with a real data folder (Amazon Beauty): lengths, popularity,
 * repeats, and what simple forecasts of each user's last item reach, beside the generator's oracle.
 */
public final class ShopReport {
  private static final int WIDTH = 46;

  private ShopReport() {}

  /**
   * The report as text.
   *
   * @param real a data folder to set beside the shop, or null
   * @throws IOException when that folder cannot be read
   */
  public static String of(Shop shop, @Nullable Path real) throws IOException {
    List<SequenceFigures> columns = new ArrayList<>();
    columns.add(new SequenceFigures(shop.sequences(), shop.items().size()));
    String[] names = {"shop"};
    if (real != null) {
      columns.add(read(real));
      names = new String[] {"shop", String.valueOf(real.getFileName())};
    }
    StringBuilder out = new StringBuilder();
    row(out, "", names);
    row(out, "", Collections.nCopies(names.length, "---:").toArray(String[]::new));
    figure(out, columns, "users", f -> count(f.users()));
    figure(out, columns, "items", f -> count(f.items()));
    figure(out, columns, "interactions", f -> count(f.interactions()));
    figure(out, columns, "sequence length: mean", f -> number(f.meanLength(), 2));
    figure(
        out, columns, "sequence length: min / median / p90 / p99 / max", SequenceFigures::lengths);
    figure(out, columns, "items never bought", f -> count(f.neverBought()));
    figure(out, columns, "purchases an item: median / p90 / p99 / max", SequenceFigures::perItem);
    figure(out, columns, "Gini of purchases over bought items", f -> number(f.gini(), 3));
    figure(out, columns, "share of the 1 % most bought items", f -> number(f.topShare(), 3));
    figure(out, columns, "repeated purchases in sequences", f -> number(f.repeats(), 4));
    figure(
        out, columns, "popularity, recall@10 of the last item", f -> number(f.popularity(10), 4));
    figure(
        out,
        columns,
        "co-occurrence, recall@10 of the last item",
        f -> number(f.cooccurrence(10), 4));
    String[] oracle = new String[names.length];
    Arrays.fill(oracle, "");
    oracle[0] = number(columns.getFirst().recall(shop.oracle(), 10), 4);
    row(out, "generator's oracle, recall@10 of the last item", oracle);
    oracle[0] = number(columns.getFirst().recall(shop.oracle(), Oracle.LENGTH), 4);
    row(out, "generator's oracle, recall@100 of the last item", oracle);
    log(out, shop, names.length);
    return out.toString();
  }

  private static void log(StringBuilder out, Shop shop, int columns) {
    long impressions = 0;
    long clicked = 0;
    long purchases = 0;
    long outside = 0;
    long events = 0;
    long repeats = 0;
    for (History history : shop.histories()) {
      BitSet bought = new BitSet();
      for (Event event : history.events()) {
        events++;
        switch (event.kind()) {
          case IMPRESSION -> {
            impressions++;
            clicked += event.clicked() ? 1 : 0;
          }
          case PURCHASE -> {
            purchases++;
            outside += event.position() < 0 ? 1 : 0;
            repeats += bought.get(event.product()) ? 1 : 0;
            bought.set(event.product());
          }
          case CLICK -> {}
        }
      }
    }
    String[] cells = new String[columns];
    Arrays.fill(cells, "");
    Object[][] rows = {
      {"events", count(events)},
      {"impressions", count(impressions)},
      {"share of impressions clicked", number((double) clicked / impressions, 4)},
      {"purchases in the event log", count(purchases)},
      {"share of purchases outside search and feed", number((double) outside / purchases, 4)},
      {"repeated purchases in the event log", number((double) repeats / purchases, 4)},
      {"distinct training queries", count(shop.queries().trainQueries().size())},
      {"distinct test queries", count(shop.queries().testQueries().size())},
      {"share of test queries not in training", number(shop.queries().unseenShare(), 4)},
    };
    for (Object[] line : rows) {
      cells[0] = String.valueOf(line[1]);
      row(out, String.valueOf(line[0]), cells);
    }
  }

  private static SequenceFigures read(Path dir) throws IOException {
    List<int[]> sequences = new ArrayList<>();
    for (String line : Files.readAllLines(dir.resolve("sequences.tsv"))) {
      String items = line.substring(line.indexOf('\t') + 1);
      sequences.add(Arrays.stream(items.split(" ", -1)).mapToInt(Integer::parseInt).toArray());
    }
    try (var lines = Files.lines(dir.resolve("items.jsonl"))) {
      return new SequenceFigures(sequences, (int) lines.count());
    }
  }

  private static void figure(
      StringBuilder out,
      List<SequenceFigures> columns,
      String name,
      Function<SequenceFigures, String> value) {
    row(out, name, columns.stream().map(value).toArray(String[]::new));
  }

  private static void row(StringBuilder out, String name, String[] cells) {
    out.append("| ")
        .append(name)
        .append(" ".repeat(Math.max(0, WIDTH - name.length())))
        .append(" |");
    for (String cell : cells) {
      out.append(String.format(Locale.ROOT, " %26s |", cell));
    }
    out.append('\n');
  }

  static String count(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  static String number(double value, int digits) {
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }
}

package io.espalier.index.fm;

import static io.espalier.index.file.Numbers.INT;
import static io.espalier.index.file.Numbers.SHORT;

import io.espalier.index.file.SectionFile;
import io.espalier.index.file.SectionFileWriter;
import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import org.roaringbitmap.PeekableIntIterator;
import org.roaringbitmap.RoaringBitmap;

/**
 * The texts of a catalogue's items as an FM-index (Ferragina and Manzini, 2000): immutable, in
 * off-heap arrays or a mapped file.
 *
 * <p>What is indexed is the text backwards. The suffixes that begin with a pattern, read backwards,
 * are one range of rows, and a token more <em>after</em> the pattern narrows it in one backward
 * step, so that patterns grow as a decoder writes them. What may follow is what stands before those
 * suffixes, the symbols of the same range of the transform, which a wavelet matrix lists at a cost
 * of their number.
 *
 * <p>Items are parted by a symbol of their own that no pattern contains. A range is a long, its
 * first row in the upper half and the row after its last in the lower.
 */
public final class FmIndex implements TextRows {
  /** No range. */
  public static final long NONE = -1;

  private static final String KIND = "fm-index";
  private static final int VERSION = 2;
  // Symbols below the tokens': the text's end, and what parts items.
  private static final int END = 0;
  private static final int PARTING = 1;
  private static final int MARKS = 2;
  // To find a row by its item takes as long as to look at so many (1.7 µs and 1.7 ns of 26 M).
  private static final int NARROW = 1024;

  private final int tokens;
  private final int rows;
  private final MemorySegment shape;
  private final WaveletMatrix transform;
  // By symbol: the first of its rows; one more.
  private final MemorySegment starts;
  // By symbol: what leads from under the transform's last row to its rows.
  private final int[] shifts;
  private final RankBits sampled;
  private final MemorySegment samples;
  // By row: the item that its suffix begins in; -1 for what parts items.
  private final MemorySegment itemOf;
  // By item: the row of its first token; −1 for an item without one.
  private final MemorySegment firstRows;
  // By item: where its tokens begin in the text; one more.
  private final MemorySegment begins;
  private final MemorySegment text;
  private final int tokenBytes;

  private FmIndex(
      MemorySegment shape,
      MemorySegment transform,
      MemorySegment starts,
      MemorySegment sampled,
      MemorySegment samples,
      MemorySegment itemOf,
      MemorySegment firstRows,
      MemorySegment begins,
      MemorySegment text) {
    this.shape = shape;
    this.tokens = shape.getAtIndex(INT, 0);
    this.rows = Math.toIntExact(itemOf.byteSize() / Integer.BYTES);
    this.transform = new WaveletMatrix(transform, rows, tokens + MARKS);
    this.starts = starts;
    this.sampled = new RankBits(sampled);
    this.samples = samples;
    this.itemOf = itemOf;
    this.firstRows = firstRows;
    this.begins = begins;
    this.text = text;
    this.tokenBytes = tokenBytes(tokens);
    this.shifts = new int[tokens + MARKS];
    for (int symbol = 0; symbol < shifts.length; symbol++) {
      shifts[symbol] = starts.getAtIndex(INT, symbol) - this.transform.follow(symbol, 0);
    }
  }

  private static int tokenBytes(int tokens) {
    return tokens <= 1 << Short.SIZE ? Short.BYTES : Integer.BYTES;
  }

  /**
   * Builds the index in time linear in the text.
   *
   * @param tokens how many different ones there may be
   * @param text the items' tokens, one item's after the other's
   * @param begins by item, where its tokens begin in the text; one more, where the last one's end
   * @param rate of so many places of the text one is kept to locate others by; 1 keeps all
   */
  public static FmIndex build(int tokens, int[] text, int[] begins, int rate) {
    int items = begins.length - 1;
    if (rate < 1) {
      throw new IllegalArgumentException("rate: " + rate + " (expected: >= 1)");
    }
    int rows = Math.addExact(Math.addExact(text.length, items), 2);
    int[] backwards = new int[rows];
    int[] itemAt = new int[rows];
    int at = 0;
    for (int item = items - 1; item >= 0; item--) {
      itemAt[at] = -1;
      backwards[at++] = PARTING;
      for (int i = begins[item + 1] - 1; i >= begins[item]; i--) {
        if (text[i] < 0 || text[i] >= tokens) {
          throw new IllegalArgumentException(
              "token " + text[i] + " of item " + item + " (expected: 0.." + (tokens - 1) + ")");
        }
        itemAt[at] = item;
        backwards[at++] = text[i] + MARKS;
      }
    }
    itemAt[at] = -1;
    backwards[at++] = PARTING;
    itemAt[at] = -1;
    backwards[at] = END;
    return lay(tokens, text, begins, rate, backwards, itemAt);
  }

  private static FmIndex lay(
      int tokens, int[] text, int[] begins, int rate, int[] backwards, int[] itemAt) {
    int rows = backwards.length;
    Arena arena = Arena.ofAuto();
    MemorySegment shape = arena.allocate(2L * Integer.BYTES, Integer.BYTES);
    shape.setAtIndex(INT, 0, tokens);
    shape.setAtIndex(INT, 1, rate);
    MemorySegment starts = ints(arena, tokens + MARKS + 1);
    for (int symbol : backwards) {
      starts.setAtIndex(INT, symbol + 1, starts.getAtIndex(INT, symbol + 1) + 1);
    }
    for (int symbol = 0; symbol < tokens + MARKS; symbol++) {
      starts.setAtIndex(
          INT, symbol + 1, starts.getAtIndex(INT, symbol + 1) + starts.getAtIndex(INT, symbol));
    }
    int[] order = SuffixArray.of(backwards, tokens + MARKS);
    MemorySegment itemOf = ints(arena, rows);
    RankBits sampled = RankBits.allocate(arena, rows);
    MemorySegment samples = ints(arena, (rows + rate - 1) / rate);
    MemorySegment firstRows = ints(arena, begins.length - 1).fill((byte) -1);
    int sample = 0;
    for (int row = 0; row < rows; row++) {
      int place = order[row];
      itemOf.setAtIndex(INT, row, itemAt[place]);
      if (itemAt[place] >= 0 && itemAt[place + 1] < 0) {
        firstRows.setAtIndex(INT, itemAt[place], row);
      }
      if (place % rate == 0) {
        sampled.set(row);
        samples.setAtIndex(INT, sample++, place);
      }
      // The suffix is not read again: its row of the transform takes its place.
      order[row] = backwards[place == 0 ? rows - 1 : place - 1];
    }
    WaveletMatrix transform = WaveletMatrix.of(arena, order, tokens + MARKS);
    MemorySegment beginsAt = ints(arena, begins.length);
    MemorySegment.copy(begins, 0, beginsAt, INT, 0, begins.length);
    int width = tokenBytes(tokens);
    MemorySegment kept = arena.allocate((long) text.length * width, width);
    for (int i = 0; i < text.length; i++) {
      if (width == Short.BYTES) {
        kept.setAtIndex(SHORT, i, (short) text[i]);
      } else {
        kept.setAtIndex(INT, i, text[i]);
      }
    }
    return new FmIndex(
        shape,
        transform.blocks(),
        starts,
        sampled.count().blocks(),
        samples,
        itemOf,
        firstRows,
        beginsAt,
        kept);
  }

  private static MemorySegment ints(Arena arena, int count) {
    return arena.allocate((long) count * Integer.BYTES, Integer.BYTES);
  }

  /**
   * Maps an index that {@link #write} wrote.
   *
   * @throws IOException when it cannot be read or does not verify
   */
  public static FmIndex open(Path file) throws IOException {
    SectionFile sections = SectionFile.open(file, KIND, VERSION);
    return new FmIndex(
        sections.section("shape"),
        sections.section("transform"),
        sections.section("starts"),
        sections.section("sampled"),
        sections.section("samples"),
        sections.section("item-of"),
        sections.section("first-rows"),
        sections.section("begins"),
        sections.section("text"));
  }

  /** Writes the index to a file. */
  public void write(Path file) throws IOException {
    new SectionFileWriter(KIND, VERSION)
        .add("shape", shape)
        .add("transform", transform.blocks())
        .add("starts", starts)
        .add("sampled", sampled.blocks())
        .add("samples", samples)
        .add("item-of", itemOf)
        .add("first-rows", firstRows)
        .add("begins", begins)
        .add("text", text)
        .write(file);
  }

  /** How many different tokens there may be. */
  public int tokens() {
    return tokens;
  }

  /** How many items there are, those without a token among them. */
  public int items() {
    return Math.toIntExact(begins.byteSize() / Integer.BYTES) - 1;
  }

  /** How many tokens the items have together. */
  public int size() {
    return begins.getAtIndex(INT, items());
  }

  /** Bytes that the index holds. */
  public long bytes() {
    return transform.blocks().byteSize()
        + starts.byteSize()
        + sampled.blocks().byteSize()
        + samples.byteSize()
        + itemOf.byteSize()
        + firstRows.byteSize()
        + begins.byteSize()
        + text.byteSize();
  }

  static long range(int from, int to) {
    return (long) from << Integer.SIZE | to;
  }

  static int from(long range) {
    return (int) (range >>> Integer.SIZE);
  }

  static int to(long range) {
    return (int) range;
  }

  @Override
  public long all() {
    return range(0, rows);
  }

  /** How often the pattern of a range occurs. */
  public static int count(long range) {
    return to(range) - from(range);
  }

  /** The range of a pattern and one token more after it; {@link #NONE} when it occurs nowhere. */
  public long extend(long range, int token) {
    int symbol = token + MARKS;
    int shift = shifts[symbol];
    int from = shift + transform.follow(symbol, from(range));
    int to = shift + transform.follow(symbol, to(range));
    return from < to ? range(from, to) : NONE;
  }

  @Override
  public long find(int... pattern) {
    long range = all();
    for (int i = 0; i < pattern.length && range != NONE; i++) {
      range = pattern[i] < 0 || pattern[i] >= tokens ? NONE : extend(range, pattern[i]);
    }
    return range;
  }

  @Override
  public long extend(long range, int length, int token) {
    return extend(range, token);
  }

  @Override
  public void expand(long range, int length, int low, int high, Continuations out) {
    expand(range, low, high, out);
  }

  /**
   * Adds the tokens {@code low … high − 1} that occur after a pattern, ascending, and the ranges of
   * the patterns that they make.
   */
  public void expand(long range, int low, int high, Continuations out) {
    if (range == all()) {
      for (int token = low; token < high; token++) {
        int from = starts.getAtIndex(INT, token + MARKS);
        int to = starts.getAtIndex(INT, token + MARKS + 1);
        if (from < to) {
          out.add(token, range(from, to));
        }
      }
      return;
    }
    transform.distinct(
        from(range),
        to(range),
        low + MARKS,
        high + MARKS,
        (symbol, from, to) ->
            out.add(symbol - MARKS, range(shifts[symbol] + from, shifts[symbol] + to)));
  }

  /**
   * Where the pattern of a row ends: the place of its last token among all items' tokens. Takes
   * half the rate's steps on average.
   *
   * @param row of the range of a pattern of at least one token
   */
  public int locate(int row) {
    int at = row;
    int steps = 0;
    while (!sampled.get(at)) {
      long down = transform.descend(at);
      at = shifts[(int) (down >>> Integer.SIZE)] + (int) down;
      steps++;
    }
    int backwards = samples.getAtIndex(INT, sampled.rank(at)) + steps;
    // From the end of all come, for each item from the last to this one, a parting and its tokens.
    return size() - 1 - (backwards - (items() - item(row)));
  }

  /**
   * The item that a row's pattern occurs in; −1 for the rows of the empty pattern that part items.
   */
  @Override
  public int item(int row) {
    return itemOf.getAtIndex(INT, row);
  }

  /** The rows of all patterns of some items, from each one's first token on to the next. */
  private int[] rowsOf(RoaringBitmap items, int tokensOfThem) {
    int[] found = new int[tokensOfThem];
    int n = 0;
    for (PeekableIntIterator item = items.getIntIterator(); item.hasNext(); ) {
      int of = item.next();
      if (of >= items()) {
        break;
      }
      int length = length(of);
      int row = firstRows.getAtIndex(INT, of);
      for (int at = 0; at < length; at++) {
        if (at > 0) {
          int symbol = token(of, at) + MARKS;
          row = shifts[symbol] + transform.follow(symbol, row);
        }
        found[n++] = row;
      }
    }
    Arrays.sort(found);
    return found;
  }

  /** How many tokens some items have; no more than {@code most} + 1 are counted. */
  private int tokensOf(RoaringBitmap items, int most) {
    int counted = 0;
    for (PeekableIntIterator item = items.getIntIterator(); item.hasNext() && counted <= most; ) {
      int of = item.next();
      if (of >= items()) {
        break;
      }
      counted = Math.min(most + 1, counted + length(of));
    }
    return counted;
  }

  /** The same for many items: all rows are looked at. */
  private RankBits markedRowsOf(RoaringBitmap items) {
    BitSet wanted = new BitSet(items());
    items.forEach((int item) -> wanted.set(item));
    RankBits found = RankBits.allocate(Arena.ofAuto(), rows);
    for (int row = 0; row < rows; row++) {
      int item = item(row);
      if (item >= 0 && wanted.get(item)) {
        found.set(row);
      }
    }
    return found.count();
  }

  /** All rows. */
  public LegalRows legal() {
    return LegalRows.all(this);
  }

  /**
   * The rows of a set of items.
   *
   * @param matching item indices; those that the index does not have are passed over
   */
  public LegalRows legal(RoaringBitmap matching) {
    int most = rows / NARROW;
    int tokensOfThem = tokensOf(matching, most);
    return tokensOfThem > most
        ? LegalRows.of(this, markedRowsOf(matching))
        : LegalRows.of(this, rowsOf(matching, tokensOfThem));
  }

  /** The constraint of these n-grams and a filter. */
  public Constraint constraint(LegalRows legal, Ngrams ngrams) {
    return new FmConstraint(this, legal, ngrams);
  }

  /** How many tokens an item has. */
  public int length(int item) {
    return begins.getAtIndex(INT, item + 1) - begins.getAtIndex(INT, item);
  }

  /** A token of an item, from 0. */
  public int token(int item, int at) {
    int place = begins.getAtIndex(INT, item) + at;
    return tokenBytes == Short.BYTES
        ? text.getAtIndex(SHORT, place) & 0xffff
        : text.getAtIndex(INT, place);
  }
}

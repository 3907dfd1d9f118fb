package io.espalier.index.fm;

import io.espalier.index.trie.Continuations;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import org.roaringbitmap.RoaringBitmap;

/**
 * The texts of a few items, all their suffixes in order: what a pattern begins is one range.
 * Immutable.
 *
 * <p>Beside an {@link FmIndex} it takes what changed. Some changes more cost a pass over the list
 * and a search for each new suffix, where an FM-index would be built anew: of 2,000 items.
 */
final class SuffixList implements TextRows {
  // What parts texts when suffixes are sorted, below the tokens, and what ends them.
  private static final int PARTING = 1;
  private static final int MARKS = 2;

  private final int tokens;
  // Items by number, ascending, and their texts, none of them empty.
  private final int[] items;
  private final int[][] texts;
  // By row: the number of the item, and where in its text the suffix begins.
  private final int[] numbers;
  private final int[] begins;

  private SuffixList(int tokens, int[] items, int[][] texts, int[] numbers, int[] begins) {
    this.tokens = tokens;
    this.items = items;
    this.texts = texts;
    this.numbers = numbers;
    this.begins = begins;
  }

  /**
   * No texts.
   *
   * @param tokens how many different ones there may be
   */
  static SuffixList none(int tokens) {
    return new SuffixList(tokens, new int[0], new int[0][], new int[0], new int[0]);
  }

  /**
   * The texts after some more changes.
   *
   * @param changes by item, its text from now on, which is kept; empty for one that is gone
   */
  SuffixList after(SortedMap<Integer, int[]> changes) {
    int most = items.length + changes.size();
    int[] nowItems = new int[most];
    int[][] nowTexts = new int[most][];
    // By old number the new one; −1 where the item's old suffixes go.
    int[] renumbered = new int[items.length];
    // The numbers whose suffixes are new.
    int[] fresh = new int[changes.size()];
    int freshCount = 0;
    int kept = 0;
    int old = 0;
    int size = 0;
    for (Map.Entry<Integer, int[]> change : changes.entrySet()) {
      int item = change.getKey();
      int[] text = change.getValue();
      for (; old < items.length && items[old] < item; old++) {
        kept += texts[old].length;
        renumbered[old] = size;
        nowItems[size] = items[old];
        nowTexts[size++] = texts[old];
      }
      boolean known = old < items.length && items[old] == item;
      boolean same = known && Arrays.equals(texts[old], text);
      if (same) {
        kept += text.length;
      } else if (text.length > 0) {
        fresh[freshCount++] = size;
      }
      if (known) {
        renumbered[old++] = same ? size : -1;
      }
      if (text.length > 0) {
        nowItems[size] = item;
        nowTexts[size++] = text;
      }
    }
    for (; old < items.length; old++) {
      kept += texts[old].length;
      renumbered[old] = size;
      nowItems[size] = items[old];
      nowTexts[size++] = texts[old];
    }
    nowItems = Arrays.copyOf(nowItems, size);
    nowTexts = Arrays.copyOf(nowTexts, size);
    SuffixList more = sorted(tokens, nowItems, nowTexts, Arrays.copyOf(fresh, freshCount));
    return merged(renumbered, kept, more);
  }

  /** The suffixes of some of the texts. */
  private static SuffixList sorted(int tokens, int[] items, int[][] texts, int[] wanted) {
    int length = 1;
    for (int number : wanted) {
      length = Math.addExact(length, texts[number].length + 1);
    }
    int[] text = new int[length];
    int[] numberAt = new int[length];
    int[] beginAt = new int[length];
    int at = 0;
    for (int number : wanted) {
      for (int begin = 0; begin < texts[number].length; begin++) {
        int token = texts[number][begin];
        if (token < 0 || token >= tokens) {
          throw new IllegalArgumentException(
              "token "
                  + token
                  + " of item "
                  + items[number]
                  + " (expected: 0.."
                  + (tokens - 1)
                  + ")");
        }
        numberAt[at] = number;
        beginAt[at] = begin;
        text[at++] = token + MARKS;
      }
      text[at++] = PARTING;
    }
    int rows = length - 1 - wanted.length;
    int[] numbers = new int[rows];
    int[] begins = new int[rows];
    int row = 0;
    for (int place : SuffixArray.of(text, tokens + MARKS)) {
      if (text[place] >= MARKS) {
        numbers[row] = numberAt[place];
        begins[row++] = beginAt[place];
      }
    }
    return new SuffixList(tokens, items, texts, numbers, begins);
  }

  /** What stays of this list and the suffixes of another, whose numbers hold, as one. */
  private SuffixList merged(int[] renumbered, int kept, SuffixList more) {
    int[] nowNumbers = new int[kept + more.rows()];
    int[] nowBegins = new int[nowNumbers.length];
    int at = 0;
    int now = 0;
    for (int row = 0; row <= more.rows(); row++) {
      int end = row == more.rows() ? rows() : firstAfter(at, more, row);
      for (; at < end; at++) {
        int number = renumbered[numbers[at]];
        if (number >= 0) {
          nowNumbers[now] = number;
          nowBegins[now++] = begins[at];
        }
      }
      if (row < more.rows()) {
        nowNumbers[now] = more.numbers[row];
        nowBegins[now++] = more.begins[row];
      }
    }
    return new SuffixList(tokens, more.items, more.texts, nowNumbers, nowBegins);
  }

  /** The first row from one on whose suffix comes after that of a row of another list. */
  private int firstAfter(int from, SuffixList other, int row) {
    int low = from;
    int step = 1;
    while (low + step <= rows() && !isAfter(low + step - 1, other, row)) {
      low += step;
      step *= 2;
    }
    int high = Math.min(rows(), low + step - 1);
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (isAfter(middle, other, row)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  private boolean isAfter(int own, SuffixList other, int row) {
    int[] text = texts[numbers[own]];
    int[] others = other.texts[other.numbers[row]];
    return Arrays.compare(text, begins[own], text.length, others, other.begins[row], others.length)
        > 0;
  }

  /** How many suffixes there are: as many as tokens. */
  int rows() {
    return numbers.length;
  }

  /** The items by number, ascending; not to be changed. */
  int[] items() {
    return items;
  }

  /** The number of an item; negative when it is not there. */
  int number(int item) {
    return Arrays.binarySearch(items, item);
  }

  /** The text of an item by number; not to be changed. */
  int[] text(int number) {
    return texts[number];
  }

  /** The rows of some items, by number. */
  LegalRows legal(RoaringBitmap allowed) {
    if (allowed.getCardinality() == items.length) {
      return LegalRows.all(this);
    }
    boolean[] wanted = new boolean[items.length];
    allowed.forEach((int number) -> wanted[number] = true);
    RankBits found = RankBits.allocate(Arena.ofAuto(), rows());
    for (int row = 0; row < rows(); row++) {
      if (wanted[numbers[row]]) {
        found.set(row);
      }
    }
    return LegalRows.of(this, found.count());
  }

  @Override
  public long all() {
    return FmIndex.range(0, rows());
  }

  @Override
  public long find(int... pattern) {
    long range = all();
    for (int i = 0; i < pattern.length && range != FmIndex.NONE; i++) {
      range = extend(range, i, pattern[i]);
    }
    return range;
  }

  @Override
  public long extend(long range, int length, int token) {
    int from = first(FmIndex.from(range), FmIndex.to(range), length, token);
    int to = first(from, FmIndex.to(range), length, token + 1);
    return from < to ? FmIndex.range(from, to) : FmIndex.NONE;
  }

  @Override
  public void expand(long range, int length, int low, int high, Continuations out) {
    int to = FmIndex.to(range);
    for (int row = first(FmIndex.from(range), to, length, low); row < to; ) {
      int token = token(row, length);
      if (token >= high) {
        break;
      }
      int end = first(row, to, length, token + 1);
      out.add(token, FmIndex.range(row, end));
      row = end;
    }
  }

  /** The first row of a range of a pattern of this length after which no lower token comes. */
  private int first(int from, int to, int length, int token) {
    int low = from;
    int high = to;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (token(middle, length) < token) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** The token of a suffix at a place; −1 after its last. */
  private int token(int row, int place) {
    int[] text = texts[numbers[row]];
    int at = begins[row] + place;
    return at < text.length ? text[at] : -1;
  }

  @Override
  public int item(int row) {
    return numbers[row];
  }
}

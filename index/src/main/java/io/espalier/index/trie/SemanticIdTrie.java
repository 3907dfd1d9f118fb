package io.espalier.index.trie;

import static io.espalier.index.file.Numbers.BYTE;
import static io.espalier.index.file.Numbers.INT;
import static io.espalier.index.file.Numbers.LONG;
import static io.espalier.index.file.Numbers.SHORT;

import io.espalier.index.file.SectionFile;
import io.espalier.index.file.SectionFileWriter;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import org.roaringbitmap.RoaringBitmap;

/**
 * The semantic ids of a catalogue as a trie: immutable, in off-heap arrays or a mapped file.
 *
 * <p>Items are sorted by semantic id, then by index; a position in that order is a <em>leaf</em>. A
 * node is a range of leaves, and nothing else is stored of it: its children begin where the next
 * code changes, which a bitmap for each level marks, and the code is read at the child's first
 * leaf. Only the children of the root stand in a table, since finding those would pass over all
 * leaves. Once one leaf is left under a beam, which in a large catalogue is after two or three
 * levels, a step reads one code.
 *
 * <p>Codes of the first levels stand level by level, since the children of a node are read one
 * after the other; those of the rest leaf by leaf, since a beam reads them one after the other. A
 * code takes one, two or four bytes. Several items may share a semantic id; any number of levels
 * and of codes a level is taken.
 */
public final class SemanticIdTrie {
  private static final String KIND = "semantic-id-trie";
  private static final int VERSION = 1;

  private final int levels;
  private final int items;
  private final int leaves;
  private final int codeBytes;
  // Levels whose codes stand level by level.
  private final int columns;
  private final MemorySegment shape;
  private final MemorySegment codes;
  // By level from 1, a bitmap over leaves: those that begin a node of so many codes plus one.
  private final MemorySegment starts;
  private final long bitmapBytes;
  // The root's children: their codes, ascending, and where they begin; one more of the latter.
  private final MemorySegment rootCodes;
  private final MemorySegment rootStarts;
  private final int rootChildren;
  private final MemorySegment itemAt;
  // By item: its leaf; -1 for an item without a semantic id.
  private final MemorySegment leafOf;

  SemanticIdTrie(
      MemorySegment shape,
      MemorySegment codes,
      MemorySegment starts,
      MemorySegment rootCodes,
      MemorySegment rootStarts,
      MemorySegment itemAt,
      MemorySegment leafOf) {
    this.shape = shape;
    this.levels = shape.getAtIndex(INT, 0);
    this.codeBytes = shape.getAtIndex(INT, 1);
    this.columns = shape.getAtIndex(INT, 2);
    this.codes = codes;
    this.starts = starts;
    this.rootCodes = rootCodes;
    this.rootStarts = rootStarts;
    this.rootChildren = Math.toIntExact(rootCodes.byteSize() / Integer.BYTES);
    this.itemAt = itemAt;
    this.leafOf = leafOf;
    this.leaves = Math.toIntExact(itemAt.byteSize() / Integer.BYTES);
    this.items = Math.toIntExact(leafOf.byteSize() / Integer.BYTES);
    this.bitmapBytes = bitmapBytes(leaves);
  }

  static long bitmapBytes(int leaves) {
    return (leaves + 63L) / 64 * Long.BYTES;
  }

  /**
   * Builds the trie.
   *
   * @param levels codes of a semantic id, at least 1
   * @param codes {@code levels} codes an item, item by item, each ≥ 0; an item whose first code is
   *     −1 has no semantic id and is not in the trie
   */
  public static SemanticIdTrie build(int levels, int[] codes) {
    if (levels < 1 || codes.length % levels != 0) {
      throw new IllegalArgumentException(
          "levels: " + levels + " (expected: >= 1, dividing " + codes.length + " codes)");
    }
    return TrieBuilder.build(levels, codes);
  }

  /**
   * Maps a trie that {@link #write} wrote.
   *
   * @throws IOException when it cannot be read or does not verify
   */
  public static SemanticIdTrie open(Path file) throws IOException {
    SectionFile sections = SectionFile.open(file, KIND, VERSION);
    return new SemanticIdTrie(
        sections.section("shape"),
        sections.section("codes"),
        sections.section("starts"),
        sections.section("root-codes"),
        sections.section("root-starts"),
        sections.section("item-at"),
        sections.section("leaf-of"));
  }

  /** Writes the trie to a file. */
  public void write(Path file) throws IOException {
    write(file, () -> {});
  }

  /**
   * Writes the trie to a file.
   *
   * @param pace called again and again, for a caller who wants the work slowed
   */
  public void write(Path file, Runnable pace) throws IOException {
    new SectionFileWriter(KIND, VERSION)
        .add("shape", shape)
        .add("codes", codes)
        .add("starts", starts)
        .add("root-codes", rootCodes)
        .add("root-starts", rootStarts)
        .add("item-at", itemAt)
        .add("leaf-of", leafOf)
        .write(file, pace);
  }

  public int levels() {
    return levels;
  }

  /** Items in the trie. */
  public int size() {
    return leaves;
  }

  /** Bytes that the trie holds: of the ids alone, and of the two tables of items beside them. */
  public Bytes bytes() {
    return new Bytes(
        codes.byteSize() + starts.byteSize() + rootCodes.byteSize() + rootStarts.byteSize(),
        itemAt.byteSize() + leafOf.byteSize());
  }

  /**
   * What a trie takes.
   *
   * @param ids of codes and structure
   * @param items of the tables from leaf to item and back
   */
  public record Bytes(long ids, long items) {}

  /** The largest code of any id; −1 when there are none. Looks at all of them. */
  public int largestCode() {
    long count = (long) levels * leaves;
    int largest = -1;
    for (long at = 0; at < count; at++) {
      largest = Math.max(largest, codeAt(at));
    }
    return largest;
  }

  /** Returns whether an item, by index, has a semantic id. */
  public boolean contains(int item) {
    return item >= 0 && item < items && leafOf.getAtIndex(INT, item) >= 0;
  }

  /** The semantic id of an item that {@link #contains} holds for. */
  public int[] semanticId(int item) {
    if (!contains(item)) {
      throw new IllegalArgumentException("item: " + item + " (expected: with a semantic id)");
    }
    int leaf = leafOf.getAtIndex(INT, item);
    int[] id = new int[levels];
    for (int d = 0; d < levels; d++) {
      id[d] = code(d, leaf);
    }
    return id;
  }

  /** All leaves. */
  public LegalLeaves legal() {
    return LegalLeaves.all(this);
  }

  /**
   * The leaves of a set of items.
   *
   * @param matching item indices; those without a semantic id are passed over
   */
  public LegalLeaves legal(RoaringBitmap matching) {
    return LegalLeaves.of(this, matching);
  }

  /** The constraint of this trie and a filter. */
  public Constraint constraint(LegalLeaves legal) {
    return new TrieConstraint(this, legal);
  }

  /** The same trie by nodes, for graphs: made anew at each call. */
  public TrieNodes nodes() {
    return TrieNodes.of(this);
  }

  /** The leaves of items, ascending; those without a semantic id are passed over. */
  int[] leavesOf(int[] wanted) {
    int[] found = new int[wanted.length];
    int n = 0;
    for (int item : wanted) {
      if (contains(item)) {
        found[n++] = leafOf.getAtIndex(INT, item);
      }
    }
    Arrays.sort(found, 0, n);
    return Arrays.copyOf(found, n);
  }

  /** The leaf of an item; −1 when it has no semantic id. */
  int leaf(int item) {
    return item < items ? leafOf.getAtIndex(INT, item) : -1;
  }

  int item(int leaf) {
    return itemAt.getAtIndex(INT, leaf);
  }

  /** The code of a leaf at a level, from 0. */
  int code(int level, int leaf) {
    long at =
        level < columns
            ? (long) level * leaves + leaf
            : (long) columns * leaves + (long) leaf * (levels - columns) + level - columns;
    return codeAt(at);
  }

  private int codeAt(long at) {
    return switch (codeBytes) {
      case 1 -> codes.get(BYTE, at) & 0xff;
      case 2 -> codes.get(SHORT, 2 * at) & 0xffff;
      default -> codes.get(INT, 4 * at);
    };
  }

  /**
   * The first leaf from {@code from} on that begins a node of {@code length} codes, 2 or more;
   * {@code end} when there is none before it.
   */
  int nextStart(int length, int from, int end) {
    if (from >= end) {
      return end;
    }
    long base = (length - 2) * bitmapBytes;
    int word = from >>> 6;
    int last = (end - 1) >>> 6;
    long bits = starts.get(LONG, base + 8L * word) & (-1L << from);
    while (bits == 0) {
      if (word == last) {
        return end;
      }
      word++;
      bits = starts.get(LONG, base + 8L * word);
    }
    return Math.min(end, (word << 6) + Long.numberOfTrailingZeros(bits));
  }

  /** Adds the children of a node: its range of leaves, cut where the next code changes. */
  void children(int level, int from, int to, Continuations out) {
    long codesAt;
    long stride;
    if (level < columns) {
      codesAt = (long) level * leaves;
      stride = 1;
    } else {
      codesAt = (long) columns * leaves + level - columns;
      stride = (long) levels - columns;
    }
    out.reserve(to - from);
    int start = from;
    long base = (level - 1) * bitmapBytes;
    int last = (to - 1) >>> 6;
    for (int word = from >>> 6; word <= last; word++) {
      long bits = starts.get(LONG, base + 8L * word);
      if (start == from) {
        // The node's own start, and what lies before it.
        bits &= word == from >>> 6 ? -2L << from : -1L;
      }
      while (bits != 0) {
        int next = (word << 6) + Long.numberOfTrailingZeros(bits);
        if (next >= to) {
          break;
        }
        out.put(codeAt(codesAt + start * stride), TrieConstraint.state(start, next));
        start = next;
        bits &= bits - 1;
      }
    }
    out.put(codeAt(codesAt + start * stride), TrieConstraint.state(start, to));
  }

  /**
   * The first leaf of a node's range from which on a code stands at a level; −1 when none does. The
   * codes of a range rise, and where there are many of them they lie about evenly.
   */
  int find(int level, int from, int to, int code) {
    int low = from;
    int high = to;
    int first = code(level, from);
    int last = code(level, to - 1);
    if (code < first || code > last) {
      return -1;
    }
    if (last > first) {
      int guess = from + (int) ((long) (code - first) * (to - from) / ((long) last - first + 1));
      // Steps that double, away from the guess, until the code's start lies between the bounds.
      int step = 8;
      if (code(level, guess) < code) {
        low = guess + 1;
        while (low + step < to && code(level, low + step) < code) {
          low += step + 1;
          step *= 2;
        }
        high = Math.min(to, low + step + 1);
      } else {
        high = guess;
        while (high - step > from && code(level, high - step) >= code) {
          high -= step;
          step *= 2;
        }
        low = Math.max(from, high - step);
      }
    } else {
      high = from;
    }
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (code(level, middle) < code) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < to && code(level, low) == code ? low : -1;
  }

  int rootChildren() {
    return rootChildren;
  }

  int rootCode(int child) {
    return rootCodes.getAtIndex(INT, child);
  }

  /** Where a child of the root begins; for the number of children, where the last one ends. */
  int rootStart(int child) {
    return rootStarts.getAtIndex(INT, child);
  }

  /** The child of the root that a leaf lies under. */
  int rootChildOf(int leaf) {
    int low = 0;
    int high = rootChildren - 1;
    while (low < high) {
      int middle = (low + high + 1) >>> 1;
      if (rootStart(middle) <= leaf) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }
}

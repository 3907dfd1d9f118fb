package io.espalier.index.trie;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.roaringbitmap.RoaringBitmap;

/**
 * The leaves of a trie that a request may end in: all, or those of a filter, without some others.
 *
 * <p>Immutable, and made for sharing: what a filter allows is found once, and the few items that a
 * request or a delta excludes are kept beside it. A narrow filter is a sorted array, a broad one a
 * bitmap; either is asked for the next legal leaf, so that a search passes from one to the next
 * instead of testing what is barred.
 */
public final class LegalLeaves {
  // A leaf in the array costs as much as 32 in the bitmap.
  private static final int NARROW = Integer.SIZE;
  private static final long LOW = 0xffff_ffffL;

  private final SemanticIdTrie trie;
  // At most one of the two; neither when every leaf is allowed.
  private final long @Nullable [] broad;
  private final int @Nullable [] narrow;
  // Where either is there: the first allowed leaf under each child of the root that has one. Every
  // request begins there, and looking for them again would be most of a narrow filter's work.
  private final int[] underRoot;
  // Sorted arrays of leaves that are barred nevertheless.
  private final int[][] barred;

  private LegalLeaves(
      SemanticIdTrie trie,
      long @Nullable [] broad,
      int @Nullable [] narrow,
      int[] underRoot,
      int[][] barred) {
    this.trie = trie;
    this.broad = broad;
    this.narrow = narrow;
    this.underRoot = underRoot;
    this.barred = barred;
  }

  private LegalLeaves(SemanticIdTrie trie, long @Nullable [] broad, int @Nullable [] narrow) {
    this(trie, broad, narrow, new int[0], new int[0][]);
  }

  private LegalLeaves begun() {
    IntStream.Builder first = IntStream.builder();
    int end = trie.size();
    for (int leaf = next(0, end); leaf < end; ) {
      first.add(leaf);
      leaf = next(trie.rootStart(trie.rootChildOf(leaf) + 1), end);
    }
    return new LegalLeaves(trie, broad, narrow, first.build().toArray(), barred);
  }

  static LegalLeaves all(SemanticIdTrie trie) {
    return new LegalLeaves(trie, null, null, new int[0], new int[0][]);
  }

  static LegalLeaves of(SemanticIdTrie trie, RoaringBitmap items) {
    int n = items.getCardinality();
    if (n < trie.size() / NARROW) {
      return new LegalLeaves(trie, null, trie.leavesOf(items.toArray())).begun();
    }
    long[] bits = new long[(trie.size() + 63) >>> 6];
    items.forEach(
        (int item) -> {
          int leaf = trie.leaf(item);
          if (leaf >= 0) {
            bits[leaf >>> 6] |= 1L << leaf;
          }
        });
    return new LegalLeaves(trie, bits, null).begun();
  }

  /** These leaves without those of some items; for a few, since each is looked for by itself. */
  public LegalLeaves without(int[] items) {
    return withoutLeaves(trie.leavesOf(items));
  }

  /** These leaves without some others, ascending; the array is kept. */
  LegalLeaves withoutLeaves(int[] leaves) {
    if (leaves.length == 0) {
      return this;
    }
    int[][] more = Arrays.copyOf(barred, barred.length + 1);
    more[barred.length] = leaves;
    return new LegalLeaves(trie, broad, narrow, underRoot, more);
  }

  /** Bytes that a filter's leaves take. */
  public long bytes() {
    return (broad == null ? 0 : (long) broad.length * Long.BYTES)
        + (narrow == null ? 0 : (long) narrow.length * Integer.BYTES)
        + (long) underRoot.length * Integer.BYTES;
  }

  /** Adds the children of the root that have a legal leaf. */
  void expandRoot(Continuations out) {
    boolean filtered = broad != null || narrow != null;
    int child = 0;
    for (int i = 0; i < (filtered ? underRoot.length : trie.rootChildren()); i++) {
      int leaf = filtered ? underRoot[i] : trie.rootStart(i);
      // Both run forward: the child that the leaf lies under is this one or a later one.
      while (trie.rootStart(child + 1) <= leaf) {
        child++;
      }
      int end = trie.rootStart(child + 1);
      if (isBarred(leaf)) {
        leaf = next(leaf + 1, end);
      }
      if (leaf < end) {
        out.add(trie.rootCode(child), TrieConstraint.state(leaf, end));
      }
    }
  }

  boolean isOf(SemanticIdTrie other) {
    return trie == other;
  }

  /** Whether it is known without much work that every leaf of a range is legal. */
  boolean all(int from, int to) {
    if (broad != null || narrow != null) {
      return false;
    }
    for (int[] leaves : barred) {
      int at = firstFrom(leaves, from);
      if (at < leaves.length && leaves[at] < to) {
        return false;
      }
    }
    return true;
  }

  /** The first legal leaf of a range; its end when there is none. */
  int next(int from, int to) {
    int leaf = from;
    while (leaf < to) {
      leaf = nextAllowed(leaf, to);
      if (leaf >= to || !isBarred(leaf)) {
        break;
      }
      leaf++;
    }
    return Math.min(leaf, to);
  }

  /**
   * The leaves in words of 32, one more than full ones: bits 0 to 31 of word w say which of leaves
   * 32w … 32w + 31 are legal, the bits above hold the first legal leaf from 32(w + 1) on, or how
   * many leaves there are.
   */
  long[] words() {
    int size = trie.size();
    long[] words = new long[size / Integer.SIZE + 1];
    if (narrow != null) {
      for (int leaf : narrow) {
        words[leaf >>> 5] |= bit(leaf);
      }
    } else if (broad != null) {
      for (int w = 0; w < words.length && w >>> 1 < broad.length; w++) {
        words[w] = broad[w >>> 1] >>> (w % 2 * Integer.SIZE) & LOW;
      }
    } else {
      Arrays.fill(words, LOW);
      words[words.length - 1] = (1L << size % Integer.SIZE) - 1;
    }
    for (int[] leaves : barred) {
      for (int leaf : leaves) {
        words[leaf >>> 5] &= ~bit(leaf);
      }
    }
    long next = size;
    for (int w = words.length - 1; w >= 0; w--) {
      long bits = words[w];
      words[w] = next << Integer.SIZE | bits;
      if (bits != 0) {
        next = (long) w * Integer.SIZE + Long.numberOfTrailingZeros(bits);
      }
    }
    return words;
  }

  private static long bit(int leaf) {
    return 1L << leaf % Integer.SIZE;
  }

  private int nextAllowed(int from, int to) {
    if (narrow != null) {
      int at = firstFrom(narrow, from);
      return at < narrow.length ? narrow[at] : to;
    }
    if (broad == null) {
      return from;
    }
    int word = from >>> 6;
    int last = (to - 1) >>> 6;
    long bits = broad[word] & (-1L << from);
    while (bits == 0) {
      if (word == last) {
        return to;
      }
      bits = broad[++word];
    }
    return (word << 6) + Long.numberOfTrailingZeros(bits);
  }

  private boolean isBarred(int leaf) {
    for (int[] leaves : barred) {
      if (Arrays.binarySearch(leaves, leaf) >= 0) {
        return true;
      }
    }
    return false;
  }

  private static int firstFrom(int[] sorted, int value) {
    int at = Arrays.binarySearch(sorted, value);
    return at < 0 ? -at - 1 : at;
  }
}

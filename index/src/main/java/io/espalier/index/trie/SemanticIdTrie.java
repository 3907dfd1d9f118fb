package io.espalier.index.trie;

import java.util.Arrays;
import java.util.BitSet;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * The semantic ids of a catalogue as a trie: immutable, in flat arrays.
 *
 * <p>Items are sorted by semantic id, then by index; a position in that order is a <em>leaf</em>.
 * Every node covers a contiguous range of leaves, so whether a legal item lies under it is one
 * question to a bitmap over leaves. Nodes are numbered breadth first: the children of a node, and
 * the leaves under it, end where those of the next node begin.
 *
 * <p>Several items may share a semantic id; any number of levels and of codes a level is taken.
 */
public final class SemanticIdTrie {
  private final int levels;
  // By node; one more entry than nodes.
  private final int[] code;
  private final int[] firstChild;
  private final int[] firstLeaf;
  // By leaf.
  private final int[] itemAt;
  // By item; -1 for an item without a semantic id.
  private final int[] leafOf;

  private SemanticIdTrie(
      int levels, int[] code, int[] firstChild, int[] firstLeaf, int[] itemAt, int[] leafOf) {
    this.levels = levels;
    this.code = code;
    this.firstChild = firstChild;
    this.firstLeaf = firstLeaf;
    this.itemAt = itemAt;
    this.leafOf = leafOf;
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
    int items = codes.length / levels;
    int[] sorted = sort(levels, codes);
    int leaves = sorted.length;
    // Level at which a leaf leaves the path of the one before it; `levels` when the ids are equal.
    int[] fork = new int[leaves];
    int[] nodesAt = new int[levels + 1];
    nodesAt[0] = 1;
    for (int leaf = 0; leaf < leaves; leaf++) {
      int d = 0;
      if (leaf > 0) {
        int a = sorted[leaf - 1] * levels;
        int b = sorted[leaf] * levels;
        while (d < levels && codes[a + d] == codes[b + d]) {
          d++;
        }
      }
      fork[leaf] = d;
      for (int level = d; level < levels; level++) {
        nodesAt[level + 1]++;
      }
    }
    int nodes = Arrays.stream(nodesAt).sum();
    int[] code = new int[nodes + 1];
    int[] firstChild = new int[nodes + 1];
    int[] firstLeaf = new int[nodes + 1];
    int parent = 0;
    int node = 1;
    for (int depth = 1; depth <= levels; depth++) {
      for (int leaf = 0; leaf < leaves; leaf++) {
        if (leaf == 0 || fork[leaf] < depth - 1) {
          firstChild[parent++] = node;
        }
        if (fork[leaf] < depth) {
          code[node] = codes[sorted[leaf] * levels + depth - 1];
          firstLeaf[node++] = leaf;
        }
      }
    }
    Arrays.fill(firstChild, parent, nodes + 1, nodes);
    int[] leafOf = new int[items];
    Arrays.fill(leafOf, -1);
    for (int leaf = 0; leaf < leaves; leaf++) {
      leafOf[sorted[leaf]] = leaf;
    }
    return new SemanticIdTrie(levels, code, firstChild, firstLeaf, sorted, leafOf);
  }

  /** Items that have a semantic id, by id then index: a counting sort from the last level up. */
  private static int[] sort(int levels, int[] codes) {
    int items = codes.length / levels;
    int[] order = new int[items];
    int n = 0;
    int highest = 0;
    for (int item = 0; item < items; item++) {
      if (codes[item * levels] == -1) {
        continue;
      }
      order[n++] = item;
      for (int d = 0; d < levels; d++) {
        int c = codes[item * levels + d];
        if (c < 0) {
          throw new IllegalArgumentException(
              "code " + d + " of item " + item + ": " + c + " (expected: >= 0)");
        }
        highest = Math.max(highest, c);
      }
    }
    order = Arrays.copyOf(order, n);
    int[] next = new int[n];
    int[] start = new int[highest + 2];
    for (int d = levels - 1; d >= 0; d--) {
      Arrays.fill(start, 0);
      for (int item : order) {
        start[codes[item * levels + d] + 1]++;
      }
      for (int c = 0; c <= highest; c++) {
        start[c + 1] += start[c];
      }
      for (int item : order) {
        next[start[codes[item * levels + d]]++] = item;
      }
      int[] swap = order;
      order = next;
      next = swap;
    }
    return order;
  }

  public int levels() {
    return levels;
  }

  /** Items in the trie. */
  public int size() {
    return itemAt.length;
  }

  /** Nodes, the root among them. */
  public int nodes() {
    return code.length - 1;
  }

  /** Returns whether an item, by index, has a semantic id. */
  public boolean contains(int item) {
    return item >= 0 && item < leafOf.length && leafOf[item] >= 0;
  }

  /** The semantic id of an item that {@link #contains} holds for. */
  public int[] semanticId(int item) {
    int leaf = leafOf[item];
    if (leaf < 0) {
      throw new IllegalArgumentException("item: " + item + " (expected: with a semantic id)");
    }
    int[] id = new int[levels];
    int node = 0;
    for (int d = 0; d < levels; d++) {
      int at = Arrays.binarySearch(firstLeaf, firstChild[node], firstChild[node + 1], leaf);
      node = at >= 0 ? at : -at - 2;
      id[d] = code[node];
    }
    return id;
  }

  /** All leaves, as {@link #constraint} takes them. */
  public BitSet leaves() {
    BitSet leaves = new BitSet(itemAt.length);
    leaves.set(0, itemAt.length);
    return leaves;
  }

  /**
   * The leaves of a set of items, as {@link #constraint} takes them.
   *
   * @param items item indices; those without a semantic id are passed over
   */
  public BitSet leaves(BitSet items) {
    BitSet leaves = new BitSet(itemAt.length);
    for (int item = items.nextSetBit(0);
        item >= 0 && item < leafOf.length;
        item = items.nextSetBit(item + 1)) {
      if (leafOf[item] >= 0) {
        leaves.set(leafOf[item]);
      }
    }
    return leaves;
  }

  /** The leaf of an item that {@link #contains} holds for. */
  public int leaf(int item) {
    return leafOf[item];
  }

  /**
   * The constraint of this trie and a filter.
   *
   * @param legal the legal leaves, not changed while the constraint is used; null when every leaf
   *     is legal
   */
  public Constraint constraint(@Nullable BitSet legal) {
    return legal == null ? new All() : new Filtered(legal);
  }

  private int leafEnd(int node) {
    // The next node of the same level begins where this one ends; the first node of each level, and
    // the sentinel, begin at 0.
    int end = firstLeaf[node + 1];
    return end == 0 ? itemAt.length : end;
  }

  private final class All implements Constraint {
    @Override
    public int levels() {
      return levels;
    }

    @Override
    public long root() {
      return 0;
    }

    @Override
    public void expand(long state, Continuations out) {
      out.clear();
      int end = firstChild[(int) state + 1];
      for (int child = firstChild[(int) state]; child < end; child++) {
        out.add(code[child], child);
      }
    }

    @Override
    public int firstItem(long state) {
      return itemAt[firstLeaf[(int) state]];
    }

    @Override
    public void forEachItem(long state, IntConsumer consumer) {
      int end = leafEnd((int) state);
      for (int leaf = firstLeaf[(int) state]; leaf < end; leaf++) {
        consumer.accept(itemAt[leaf]);
      }
    }
  }

  private final class Filtered implements Constraint {
    private final BitSet legal;

    Filtered(BitSet legal) {
      this.legal = legal;
    }

    @Override
    public int levels() {
      return levels;
    }

    @Override
    public long root() {
      return 0;
    }

    @Override
    public void expand(long state, Continuations out) {
      out.clear();
      int end = firstChild[(int) state + 1];
      int legalLeaf = -1;
      for (int child = firstChild[(int) state]; child < end; child++) {
        // The bitmap is only asked again once the children have passed the legal leaf found last.
        if (legalLeaf < firstLeaf[child]) {
          legalLeaf = legal.nextSetBit(firstLeaf[child]);
          if (legalLeaf < 0) {
            return;
          }
        }
        if (legalLeaf < leafEnd(child)) {
          out.add(code[child], child);
        }
      }
    }

    @Override
    public int firstItem(long state) {
      return itemAt[legal.nextSetBit(firstLeaf[(int) state])];
    }

    @Override
    public void forEachItem(long state, IntConsumer consumer) {
      int end = leafEnd((int) state);
      for (int leaf = legal.nextSetBit(firstLeaf[(int) state]);
          leaf >= 0 && leaf < end;
          leaf = legal.nextSetBit(leaf + 1)) {
        consumer.accept(itemAt[leaf]);
      }
    }
  }
}

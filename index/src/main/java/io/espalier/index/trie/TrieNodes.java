package io.espalier.index.trie;

import java.util.Arrays;

/**
 * A trie as a fused graph reads it: its nodes breadth first, node 0 the root (docs/bundles.md,
 * "Fused"). It takes 12 bytes a node and 4 an item, so it is made for graphs alone.
 */
public final class TrieNodes {
  private final int[] codes;
  private final int[] firstChildren;
  private final int[] firstLeaves;
  private final int[] itemAt;
  private final long[] branching;

  private TrieNodes(int levels, int nodes, int leaves) {
    this.codes = new int[nodes + 1];
    this.firstChildren = new int[nodes + 1];
    this.firstLeaves = new int[nodes + 1];
    this.itemAt = new int[leaves];
    this.branching = new long[levels];
  }

  static TrieNodes of(SemanticIdTrie trie) {
    int levels = trie.levels();
    int leaves = trie.size();
    int[][] begins = new int[levels + 1][];
    begins[0] = leaves == 0 ? new int[0] : new int[1];
    int count = 1;
    for (int length = 1; length <= levels; length++) {
      begins[length] = begins(trie, length);
      count = Math.addExact(count, begins[length].length);
    }
    TrieNodes nodes = new TrieNodes(levels, count, leaves);
    Arrays.setAll(nodes.itemAt, trie::item);
    nodes.firstChildren[0] = 1;
    int node = 0;
    for (int length = 0; length <= levels; length++) {
      for (int i = 0; i < begins[length].length; i++) {
        int from = begins[length][i];
        if (length > 0) {
          nodes.codes[node] = trie.code(length - 1, from);
        }
        nodes.firstLeaves[node] = from;
        node++;
      }
      if (length < levels) {
        nodes.branching[length] = link(begins[length], begins[length + 1], leaves, nodes, node);
      }
    }
    Arrays.fill(nodes.firstChildren, count - begins[levels].length, count + 1, count);
    return nodes;
  }

  /** Where the nodes of a level begin: their first leaves. */
  private static int[] begins(SemanticIdTrie trie, int length) {
    if (length == 1) {
      int[] begins = new int[trie.rootChildren()];
      Arrays.setAll(begins, trie::rootStart);
      return begins;
    }
    int[] begins = new int[16];
    int size = 0;
    int leaves = trie.size();
    for (int leaf = 0; leaf < leaves; leaf = trie.nextStart(length, leaf + 1, leaves)) {
      if (size == begins.length) {
        begins = Arrays.copyOf(begins, 2 * size);
      }
      begins[size++] = leaf;
    }
    return Arrays.copyOf(begins, size);
  }

  /**
   * Gives the nodes of a level their children, which come from {@code end} on; most of one node.
   */
  private static int link(int[] parents, int[] children, int leaves, TrieNodes nodes, int end) {
    int child = 0;
    int most = 1;
    for (int i = 0; i < parents.length; i++) {
      int first = child;
      int to = i + 1 < parents.length ? parents[i + 1] : leaves;
      while (child < children.length && children[child] < to) {
        child++;
      }
      nodes.firstChildren[end - parents.length + i] = end + first;
      most = Math.max(most, child - first);
    }
    return most;
  }

  /** Nodes, the root among them. */
  public int size() {
    return codes.length - 1;
  }

  /** By node, the last code of its prefix; 0 for the root and after the last node. */
  public int[] codes() {
    return codes;
  }

  /** By node; a node's children end where the next one's begin. */
  public int[] firstChildren() {
    return firstChildren;
  }

  /** By node; its leaves end where the next one's begin, or, at a level's end, with the last. */
  public int[] firstLeaves() {
    return firstLeaves;
  }

  /** By leaf, the item. */
  public int[] itemAt() {
    return itemAt;
  }

  /** By level, the most children of a node above it, at least 1. */
  public long[] branching() {
    return branching;
  }

  /** The child of a node by its code; −1 when there is none, or no node. */
  int child(int node, int code) {
    if (node < 0) {
      return -1;
    }
    int at = Arrays.binarySearch(codes, firstChildren[node], firstChildren[node + 1], code);
    return at < 0 ? -1 : at;
  }
}

package io.espalier.index.trie;

import java.util.function.IntConsumer;

/** A trie and the leaves that are legal in it. A state is a range of leaves. */
final class TrieConstraint implements Constraint {
  private final SemanticIdTrie trie;
  private final LegalLeaves legal;

  TrieConstraint(SemanticIdTrie trie, LegalLeaves legal) {
    if (!legal.isOf(trie)) {
      throw new IllegalArgumentException("legal: leaves of another trie");
    }
    this.trie = trie;
    this.legal = legal;
  }

  static long state(int from, int to) {
    return (long) from << 32 | to;
  }

  private static int from(long state) {
    return (int) (state >>> 32);
  }

  private static int to(long state) {
    return (int) state;
  }

  @Override
  public int levels() {
    return trie.levels();
  }

  @Override
  public long root() {
    return state(0, trie.size());
  }

  @Override
  public void expand(int level, long state, Continuations out) {
    out.clear();
    int from = from(state);
    int to = to(state);
    if (from == to) {
      return;
    }
    if (level == 0) {
      legal.expandRoot(out);
    } else if (legal.all(from, to)) {
      trie.children(level, from, to, out);
    } else {
      expandLegal(level, from, to, out);
    }
  }

  @Override
  public int atMost(long state) {
    return to(state) - from(state);
  }

  @Override
  public long follow(int level, long state, int code) {
    int from = from(state);
    int to = to(state);
    int start = from == to ? -1 : trie.find(level, from, to, code);
    if (start < 0) {
      return NONE;
    }
    int end =
        level == 0
            ? trie.rootStart(trie.rootChildOf(start) + 1)
            : trie.nextStart(level + 1, start + 1, to);
    int leaf = legal.next(start, end);
    return leaf < end ? state(leaf, end) : NONE;
  }

  /** From one legal leaf to the next that lies under another child. */
  private void expandLegal(int level, int from, int to, Continuations out) {
    for (int leaf = legal.next(from, to); leaf < to; ) {
      int end = trie.nextStart(level + 1, leaf + 1, to);
      out.add(trie.code(level, leaf), state(leaf, end));
      leaf = legal.next(end, to);
    }
  }

  @Override
  public int firstItem(long state) {
    return trie.item(legal.next(from(state), to(state)));
  }

  @Override
  public void forEachItem(long state, IntConsumer consumer) {
    int to = to(state);
    for (int leaf = legal.next(from(state), to); leaf < to; leaf = legal.next(leaf + 1, to)) {
      consumer.accept(trie.item(leaf));
    }
  }
}

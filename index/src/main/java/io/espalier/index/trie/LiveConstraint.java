package io.espalier.index.trie;

import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * A snapshot's trie and the delta's as one: what may follow either may follow.
 *
 * <p>A state of one side alone is that side's own; a prefix that both know is a number into a table
 * of pairs, which lives as long as the request. The delta is small, so pairs are few.
 */
public final class LiveConstraint implements Constraint {
  // Ranges of leaves leave these bits free.
  private static final long DELTA = 1L << 63;
  private static final long PAIR = 1L << 31;

  private final Constraint snapshot;
  private final Constraint delta;
  // The delta's items, by their number in its trie; ascending.
  private final int[] deltaItems;
  private final Continuations ofSnapshot = new Continuations();
  private final Continuations ofDelta = new Continuations();
  private long[] pairs = new long[64];
  private int pairCount;

  /**
   * Joins two constraints whose states leave bits 31 and 63 free, as ranges do.
   *
   * @param deltaItems the items that the delta numbers from 0, ascending
   */
  public LiveConstraint(Constraint snapshot, Constraint delta, int[] deltaItems) {
    this.snapshot = snapshot;
    this.delta = delta;
    this.deltaItems = deltaItems;
  }

  private long pair(long snapshotState, long deltaState) {
    if (2 * pairCount == pairs.length) {
      pairs = Arrays.copyOf(pairs, 2 * pairs.length);
    }
    pairs[2 * pairCount] = snapshotState;
    pairs[2 * pairCount + 1] = deltaState;
    return PAIR | (long) pairCount++ << 32;
  }

  private static boolean isPair(long state) {
    return (state & PAIR) != 0;
  }

  private long snapshotOf(long pair) {
    return pairs[2 * (int) (pair >>> 32)];
  }

  private long deltaOf(long pair) {
    return pairs[2 * (int) (pair >>> 32) + 1];
  }

  @Override
  public int levels() {
    return snapshot.levels();
  }

  @Override
  public long root() {
    return pair(snapshot.root(), delta.root());
  }

  @Override
  public void expand(int level, long state, Continuations out) {
    if (isPair(state)) {
      snapshot.expand(level, snapshotOf(state), ofSnapshot);
      delta.expand(level, deltaOf(state), ofDelta);
      merge(out);
    } else if (state < 0) {
      delta.expand(level, state & ~DELTA, ofDelta);
      out.clear();
      for (int i = 0; i < ofDelta.size(); i++) {
        out.add(ofDelta.code(i), ofDelta.state(i) | DELTA);
      }
    } else {
      snapshot.expand(level, state, out);
    }
  }

  @Override
  public int atMost(long state) {
    if (isPair(state)) {
      return snapshot.atMost(snapshotOf(state)) + delta.atMost(deltaOf(state));
    }
    return state < 0 ? delta.atMost(state & ~DELTA) : snapshot.atMost(state);
  }

  @Override
  public long follow(int level, long state, int code) {
    if (isPair(state)) {
      long old = snapshot.follow(level, snapshotOf(state), code);
      long changed = delta.follow(level, deltaOf(state), code);
      if (changed == NONE) {
        return old;
      }
      return old == NONE ? changed | DELTA : pair(old, changed);
    }
    if (state < 0) {
      long changed = delta.follow(level, state & ~DELTA, code);
      return changed == NONE ? NONE : changed | DELTA;
    }
    return snapshot.follow(level, state, code);
  }

  private void merge(Continuations out) {
    out.clear();
    int s = 0;
    int d = 0;
    while (s < ofSnapshot.size() || d < ofDelta.size()) {
      int order =
          s == ofSnapshot.size()
              ? 1
              : d == ofDelta.size() ? -1 : Integer.compare(ofSnapshot.code(s), ofDelta.code(d));
      if (order < 0) {
        out.add(ofSnapshot.code(s), ofSnapshot.state(s));
        s++;
      } else if (order > 0) {
        out.add(ofDelta.code(d), ofDelta.state(d) | DELTA);
        d++;
      } else {
        out.add(ofSnapshot.code(s), pair(ofSnapshot.state(s), ofDelta.state(d)));
        s++;
        d++;
      }
    }
  }

  @Override
  public int firstItem(long state) {
    if (isPair(state)) {
      return Math.min(
          snapshot.firstItem(snapshotOf(state)), deltaItems[delta.firstItem(deltaOf(state))]);
    }
    return state < 0 ? deltaItems[delta.firstItem(state & ~DELTA)] : snapshot.firstItem(state);
  }

  @Override
  public void forEachItem(long state, IntConsumer consumer) {
    if (isPair(state)) {
      Ascending items = new Ascending();
      snapshot.forEachItem(snapshotOf(state), items::add);
      delta.forEachItem(deltaOf(state), item -> items.add(deltaItems[item]));
      items.forEach(consumer);
    } else if (state < 0) {
      delta.forEachItem(state & ~DELTA, item -> consumer.accept(deltaItems[item]));
    } else {
      snapshot.forEachItem(state, consumer);
    }
  }

  private static final class Ascending {
    private int[] items = new int[16];
    private int size;

    void add(int item) {
      if (size == items.length) {
        items = Arrays.copyOf(items, 2 * size);
      }
      items[size++] = item;
    }

    void forEach(IntConsumer consumer) {
      Arrays.sort(items, 0, size);
      for (int i = 0; i < size; i++) {
        consumer.accept(items[i]);
      }
    }
  }
}

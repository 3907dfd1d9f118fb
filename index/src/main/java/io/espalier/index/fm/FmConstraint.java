package io.espalier.index.fm;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.Continuations;
import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * The n-grams that occur in a legal item's text.
 *
 * <p>A state is the range of an n-gram; it may be finished at fewer tokens than {@link #levels}.
 */
final class FmConstraint implements Constraint {
  private final TextRows index;
  private final LegalRows legal;
  private final Ngrams ngrams;
  private final Continuations found = new Continuations();

  FmConstraint(TextRows index, LegalRows legal, Ngrams ngrams) {
    if (!legal.isOf(index)) {
      throw new IllegalArgumentException("legal: rows of another index");
    }
    this.index = index;
    this.legal = legal;
    this.ngrams = ngrams;
  }

  @Override
  public int levels() {
    return ngrams.most() - length(0);
  }

  /** Tokens of an n-gram after so many that were chosen. */
  private int length(int level) {
    return ngrams.start() < 0 ? level : level + 1;
  }

  @Override
  public long root() {
    return ngrams.start() < 0 ? index.all() : legal(index.find(ngrams.start()));
  }

  private long legal(long range) {
    return range != NONE && legal.anyIn(FmIndex.from(range), FmIndex.to(range)) ? range : NONE;
  }

  @Override
  public void expand(int level, long state, Continuations out) {
    out.clear();
    if (state == NONE) {
      return;
    }
    if (level > 0 && ngrams.end() >= 0) {
      long ended = legal(index.extend(state, length(level), ngrams.end()));
      if (ended != NONE) {
        out.add(ngrams.end(), ended);
      }
    }
    found.clear();
    index.expand(state, length(level), ngrams.low(), ngrams.high(), found);
    for (int i = 0; i < found.size(); i++) {
      if (legal(found.state(i)) != NONE) {
        out.add(found.code(i), found.state(i));
      }
    }
  }

  @Override
  public int atMost(long state) {
    return Math.min(FmIndex.count(state), ngrams.high() - ngrams.low() + 1);
  }

  @Override
  public long follow(int level, long state, int token) {
    boolean allowed =
        token == ngrams.end() ? level > 0 : token >= ngrams.low() && token < ngrams.high();
    return state == NONE || token < 0 || !allowed
        ? NONE
        : legal(index.extend(state, length(level), token));
  }

  @Override
  public int firstItem(long state) {
    int first = Integer.MAX_VALUE;
    int to = FmIndex.to(state);
    for (int row = legal.next(FmIndex.from(state), to); row < to; row = legal.next(row + 1, to)) {
      first = Math.min(first, index.item(row));
    }
    return first;
  }

  @Override
  public void forEachItem(long state, IntConsumer consumer) {
    int to = FmIndex.to(state);
    int[] items = new int[FmIndex.count(state)];
    int n = 0;
    for (int row = legal.next(FmIndex.from(state), to); row < to; row = legal.next(row + 1, to)) {
      items[n++] = index.item(row);
    }
    Arrays.stream(items, 0, n).sorted().distinct().forEach(consumer);
  }
}

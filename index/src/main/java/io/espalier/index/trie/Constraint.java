package io.espalier.index.trie;

import java.util.function.IntConsumer;

/**
 * Which codes may follow a beam's state, and which items a finished beam is.
 *
 * <p>A state is opaque to the search. It is legal when at least one legal item lies under it, so a
 * search that only follows continuations never runs into a dead end and never returns an illegal
 * item. A constraint serves one request on one thread at a time.
 */
public interface Constraint {
  /** No state. */
  long NONE = -1;

  /** Codes of a finished beam; at most so many where beams may end earlier. */
  int levels();

  /** The state before the first code. */
  long root();

  /**
   * Replaces {@code out} by the legal continuations of a state, ascending by code.
   *
   * @param level the number of codes that led to the state
   */
  void expand(int level, long state, Continuations out);

  /**
   * No state has more continuations than this; a guess that costs nothing.
   *
   * @param state a state with a continuation
   */
  int atMost(long state);

  /**
   * The state after one code, {@link #NONE} when it may not follow.
   *
   * @param level the number of codes that led to the state
   */
  long follow(int level, long state, int code);

  /** The lowest legal item of a finished state. */
  int firstItem(long state);

  /** Gives the legal items of a finished state, ascending. */
  void forEachItem(long state, IntConsumer consumer);
}

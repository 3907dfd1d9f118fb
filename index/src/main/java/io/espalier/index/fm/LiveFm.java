package io.espalier.index.fm;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.LiveConstraint;
import java.util.Arrays;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;
import org.roaringbitmap.RoaringBitmap;

/**
 * The texts of a catalogue's items at one offset: a snapshot's index, and a list of suffixes beside
 * it of the items that changed since. Immutable.
 *
 * <p>As in {@link io.espalier.index.trie.LiveTrie}, an item that changed in any way leaves the
 * snapshot's part for the delta's and keeps its index. How often an n-gram occurs is counted in
 * both parts, what changed since included: counts weigh, they allow nothing.
 */
public final class LiveFm {
  private final FmIndex snapshot;
  // Items of the snapshot that changed.
  private final RoaringBitmap outdated;
  private final int[] outdatedItems;
  // The items that changed and have a text.
  private final SuffixList delta;

  private LiveFm(FmIndex snapshot, RoaringBitmap outdated, SuffixList delta) {
    this.snapshot = snapshot;
    this.outdated = outdated;
    this.outdatedItems = outdated.toArray();
    this.delta = delta;
  }

  /**
   * The texts of a snapshot, unchanged.
   *
   * @param tokens how many different ones there may be
   * @param texts by item, its tokens; none for an item that is not to be found
   * @param rate as {@link FmIndex#build} takes it
   */
  public static LiveFm of(int tokens, int[][] texts, int rate) {
    int[] begins = new int[texts.length + 1];
    for (int i = 0; i < texts.length; i++) {
      begins[i + 1] = Math.addExact(begins[i], texts[i].length);
    }
    int[] text = new int[begins[texts.length]];
    for (int i = 0; i < texts.length; i++) {
      System.arraycopy(texts[i], 0, text, begins[i], texts[i].length);
    }
    FmIndex snapshot = FmIndex.build(tokens, text, begins, rate);
    return new LiveFm(snapshot, new RoaringBitmap(), SuffixList.none(tokens));
  }

  /**
   * The texts after some more changes.
   *
   * @param changes by item index, the tokens that the item has from now on; none for an item that
   *     is gone or is not to be found
   */
  public LiveFm after(Map<Integer, int[]> changes) {
    RoaringBitmap nowOutdated = outdated.clone();
    SortedMap<Integer, int[]> sorted = new TreeMap<>();
    changes.forEach(
        (item, tokens) -> {
          if (item < snapshot.items()) {
            nowOutdated.add(item);
          }
          sorted.put(item, tokens.clone());
        });
    return new LiveFm(snapshot, nowOutdated, delta.after(sorted));
  }

  /** The snapshot's index: what {@link #legal} takes legal rows of. */
  public FmIndex snapshot() {
    return snapshot;
  }

  /** How many tokens the items have together, those that changed since the snapshot twice. */
  public int size() {
    return snapshot.size() + delta.rows();
  }

  /** The tokens of an item; none when it is not to be found. */
  public int[] tokens(int item) {
    int number = delta.number(item);
    if (number >= 0) {
      return delta.text(number).clone();
    }
    if (item < 0 || item >= snapshot.items() || outdated.contains(item)) {
      return new int[0];
    }
    int[] tokens = new int[snapshot.length(item)];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = snapshot.token(item, i);
    }
    return tokens;
  }

  /** How often an n-gram occurs. */
  public int count(int[] ngram) {
    return count(snapshot.find(ngram)) + count(delta.find(ngram));
  }

  private static int count(long range) {
    return range == FmIndex.NONE ? 0 : FmIndex.count(range);
  }

  /**
   * What a request may end in.
   *
   * @param ofSnapshot the rows of {@link #snapshot} that a filter allows; those of items that
   *     changed since do not count
   * @param ofDelta whether the filter allows an item that changed
   * @param excluded indices of items that are barred nevertheless, a few
   */
  public Legal legal(LegalRows ofSnapshot, IntPredicate ofDelta, int[] excluded) {
    RoaringBitmap allowed = new RoaringBitmap();
    int[] items = delta.items();
    for (int number = 0; number < items.length; number++) {
      if (ofDelta.test(items[number])) {
        allowed.add(number);
      }
    }
    int[] excludedNumbers =
        Arrays.stream(excluded).map(delta::number).filter(number -> number >= 0).toArray();
    return new Legal(
        ofSnapshot.without(outdatedItems).without(excluded),
        delta.legal(allowed).without(excludedNumbers));
  }

  /** The legal items of a request. */
  public final class Legal {
    private final LegalRows ofSnapshot;
    private final LegalRows ofDelta;

    private Legal(LegalRows ofSnapshot, LegalRows ofDelta) {
      this.ofSnapshot = ofSnapshot;
      this.ofDelta = ofDelta;
    }

    /** The n-grams that occur in a legal item. */
    public Constraint constraint(Ngrams ngrams) {
      Constraint old = snapshot.constraint(ofSnapshot, ngrams);
      return delta.rows() == 0
          ? old
          : new LiveConstraint(old, new FmConstraint(delta, ofDelta, ngrams), delta.items());
    }

    /**
     * Gives the legal items that an n-gram occurs in, an item as often as it does: of the first
     * legal rows of its range, the snapshot's before the delta's.
     *
     * @param most rows that are given
     */
    public void forEachOccurrence(int[] ngram, int most, IntConsumer consumer) {
      int left = most - each(snapshot, ofSnapshot, ngram, most, consumer);
      each(delta, ofDelta, ngram, left, number -> consumer.accept(delta.items()[number]));
    }

    /** How many rows were given. */
    private static int each(
        TextRows index, LegalRows legal, int[] ngram, int most, IntConsumer consumer) {
      long range = index.find(ngram);
      int given = 0;
      if (range != FmIndex.NONE) {
        int to = FmIndex.to(range);
        for (int row = FmIndex.from(range); given < most; row++) {
          row = legal.next(row, to);
          if (row == to) {
            break;
          }
          consumer.accept(index.item(row));
          given++;
        }
      }
      return given;
    }
  }
}

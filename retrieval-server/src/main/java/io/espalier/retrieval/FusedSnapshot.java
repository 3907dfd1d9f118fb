package io.espalier.retrieval;

import io.espalier.index.trie.Constraint;
import io.espalier.index.trie.DeltaNodes;
import io.espalier.index.trie.LegalItems;
import io.espalier.index.trie.LiveTrie;
import io.espalier.index.trie.SemanticIdTrie;
import io.espalier.index.trie.TrieNodes;
import io.espalier.inference.DataType;
import io.espalier.inference.Tensor;
import io.espalier.server.RequestException;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * The search over one snapshot, and what was added since, as one call of a model that is made for
 * it.
 *
 * <p>It is for up to {@value #MAX_ADDED} added items, and for levels of up to {@value
 * #MAX_CANDIDATES} candidates: beams times the most children of a node; of beams and added items up
 * to {@value #MAX_PAIRS} pairs. No more beams are asked for than there are legal items, in powers
 * of two so that requests still meet in a batch: a narrow filter costs less.
 *
 * <p>What the graph answers is walked again over the request's own constraint, so nothing illegal
 * comes out whatever the graph says.
 */
final class FusedSnapshot implements AutoCloseable {
  /** Rows that added nodes are padded to. */
  static final int[] ROOMS = {16, 64, 256, 1024, 2048, 4096, 8192};

  // A snapshot is due after 5,000 changes at most, and more come until it is there.
  static final int MAX_ADDED = 8192;

  static final int MAX_CANDIDATES = 1 << 18;

  /** The graph compares each beam with each added node. */
  static final int MAX_PAIRS = 1 << 20;

  /** Inputs that tell of the added nodes by level: parents, codes, the snapshot's twins. */
  static final List<String> DELTA = List.of("delta_parent", "delta_code", "delta_node");

  private final String name;
  private final SemanticIdTrie trie;
  private final TrieNodes nodes;
  private final int levels;
  private final ModelCalls calls;
  private final long mostChildren;
  // Held for reading by each request, and for good once the model is freed.
  private final ReadWriteLock lock = new ReentrantReadWriteLock();
  private volatile @Nullable Added lastAdded;

  FusedSnapshot(String name, SemanticIdTrie trie, TrieNodes nodes, int levels, ModelCalls calls) {
    this.name = name;
    this.trie = trie;
    this.nodes = nodes;
    this.levels = levels;
    this.calls = calls;
    this.mostChildren = Arrays.stream(nodes.branching()).max().orElse(1);
  }

  /** The model's. */
  String name() {
    return name;
  }

  /** What every request is told of a catalogue's changes when it bars none of them. */
  private record Added(LiveTrie of, Map<String, Tensor> tensors) {}

  /** Words of a filter over so many leaves. */
  static int words(int leaves) {
    return leaves / Integer.SIZE + 1;
  }

  boolean isOf(SemanticIdTrie other) {
    return trie == other;
  }

  /**
   * Searches.
   *
   * @param live the catalogue's trie that {@code legal} and {@code constraint} are of
   * @param history {@code places × levels} codes, left-padded with −1
   * @return the finished beams, best first; empty when the question is beyond the limits, the model
   *     was freed since, or no server has it ready at present
   */
  Optional<List<Beam>> search(
      LiveTrie live,
      LegalItems legal,
      Constraint constraint,
      long[] history,
      int width,
      long deadlineNanos) {
    if (legal.changed() > MAX_ADDED) {
      return Optional.empty();
    }
    long[] words = legal.words();
    int beams = beams(words, legal.changed(), width);
    if (beams == 0) {
      return Optional.of(List.of());
    }
    if (beams * mostChildren > MAX_CANDIDATES
        || (long) beams * room(legal) > MAX_PAIRS
        || !lock.readLock().tryLock()) {
      return Optional.empty();
    }
    try {
      if (!calls.isReady(name)) {
        return Optional.empty();
      }
      Map<String, Tensor> inputs = new HashMap<>(added(live, legal));
      inputs.put("history", Tensor.ofLongs(history, 1, history.length / levels, levels));
      inputs.put("beams", Tensor.ofLongs(new long[beams], 1, beams));
      inputs.put("filter", Tensor.ofLongs(words, 1, words.length));
      return Optional.of(read(calls.infer(name, inputs, deadlineNanos), constraint));
    } finally {
      lock.readLock().unlock();
    }
  }

  /** The width, or the power of two from the number of legal items on when that is less. */
  private static int beams(long[] words, int changed, int width) {
    int legal = changed;
    for (int w = 0; w < words.length && legal < width; w++) {
      legal += Integer.bitCount((int) words[w]);
    }
    int bits = Integer.SIZE - Integer.numberOfLeadingZeros(Math.max(legal - 1, 0));
    return legal == 0 ? 0 : Math.min(width, 1 << bits);
  }

  private Map<String, Tensor> added(LiveTrie live, LegalItems legal) {
    if (!legal.allChanged()) {
      return tensors(legal);
    }
    Added last = lastAdded;
    if (last == null || last.of() != live) {
      last = new Added(live, tensors(legal));
      lastAdded = last;
    }
    return last.tensors();
  }

  private static int room(LegalItems legal) {
    return Arrays.stream(ROOMS).filter(rows -> rows >= legal.changed()).findFirst().orElseThrow();
  }

  private Map<String, Tensor> tensors(LegalItems legal) {
    int room = room(legal);
    DeltaNodes delta = legal.delta(nodes, room);
    return Map.of(
        DELTA.get(0),
        Tensor.ofLongs(delta.parents(), 1, levels, room),
        DELTA.get(1),
        Tensor.ofLongs(delta.codes(), 1, levels, room),
        DELTA.get(2),
        Tensor.ofLongs(delta.twins(), 1, levels, room),
        "delta_item",
        Tensor.ofLongs(delta.items(), 1, room));
  }

  private List<Beam> read(Map<String, Tensor> outputs, Constraint constraint) {
    Tensor found = outputs.get("scores");
    if (found == null || found.type() != DataType.FP32 || found.rank() != 2) {
      throw wrong("output scores: " + found + " (expected: FP32 [1, beams])");
    }
    FloatBuffer scores = found.floats();
    LongBuffer codes = ModelCalls.output(outputs, name, "codes", 1, found.dim(1), levels).longs();
    List<Beam> beams = new ArrayList<>(found.dim(1));
    for (int row = 0; row < found.dim(1); row++) {
      float score = scores.get(row);
      if (score == Float.NEGATIVE_INFINITY) {
        break;
      }
      List<Integer> id = new ArrayList<>(levels);
      long state = constraint.root();
      for (int level = 0; level < levels && state != Constraint.NONE; level++) {
        int code = Math.toIntExact(codes.get(row * levels + level));
        id.add(code);
        state = constraint.follow(level, state, code);
      }
      if (state == Constraint.NONE || Float.isNaN(score)) {
        throw wrong("beam " + id + " of score " + score + " (expected: a legal one)");
      }
      beams.add(new Beam(id, score, state));
    }
    return beams;
  }

  private RequestException wrong(String what) {
    return RequestException.unavailable("model " + name + ": " + what);
  }

  /** Frees the model once no request uses it; from then on there is no fused search. */
  @Override
  public void close() {
    lock.writeLock().lock();
    calls.unload(name);
  }
}

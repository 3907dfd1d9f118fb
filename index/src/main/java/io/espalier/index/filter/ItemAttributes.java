package io.espalier.index.filter;

import io.espalier.index.ItemIds;
import io.espalier.index.file.SectionFile;
import io.espalier.index.file.SectionFileWriter;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.roaringbitmap.RoaringBitmap;

/**
 * The attributes of one catalogue snapshot, inverted: which items have which value. Compiles
 * filters to bitmaps over item indices. Immutable and safe for use by many threads; on the heap,
 * off it or in a mapped file.
 */
public final class ItemAttributes {
  private static final String KIND = "catalogue-items";
  private static final int VERSION = 1;

  // Bitmaps of 12 k items take about 2 KB each, of 20 M items up to 2.5 MB.
  private static final long CACHED_BYTES = 64 << 20;

  private final ItemIds ids;
  private final Postings postings;
  private final FilterCache cache = new FilterCache(CACHED_BYTES);

  private ItemAttributes(ItemIds ids, Postings postings) {
    this.ids = ids;
    this.postings = postings;
  }

  /** Starts the attributes of the items of {@code ids}. */
  public static Builder builder(ItemIds ids) {
    return new Builder(ids);
  }

  /**
   * The attributes of two sets of items as one, off the heap.
   *
   * @param ids the items of both
   * @param ofFirst by index in the first, the item's in {@code ids}; −1 for one that is left out;
   *     rising with it
   * @param ofSecond the same of the second
   * @param arena what they live in
   * @param pace called again and again, for a caller who wants the work slowed
   */
  public static ItemAttributes merged(
      ItemIds ids,
      ItemAttributes first,
      IntUnaryOperator ofFirst,
      ItemAttributes second,
      IntUnaryOperator ofSecond,
      Arena arena,
      Runnable pace) {
    return new ItemAttributes(
        ids, PostingsPacker.pack(first.postings, ofFirst, second.postings, ofSecond, arena, pace));
  }

  /** These attributes off the heap. */
  public ItemAttributes packed() {
    ItemAttributes none = builder(ids).build();
    return merged(ids, this, item -> item, none, item -> item, Arena.ofAuto(), () -> {});
  }

  /**
   * Maps ids and attributes that {@link #write} wrote.
   *
   * @throws IOException when they cannot be read or do not verify
   */
  public static ItemAttributes open(Path file) throws IOException {
    SectionFile sections = SectionFile.open(file, KIND, VERSION);
    return new ItemAttributes(ItemIds.of(sections), PackedPostings.of(sections));
  }

  /**
   * Writes ids and attributes to a file.
   *
   * @param pace called again and again, for a caller who wants the work slowed
   */
  public void write(Path file, Runnable pace) throws IOException {
    if (!(postings instanceof PackedPostings packed)) {
      packed().write(file, pace);
      return;
    }
    SectionFileWriter sections = new SectionFileWriter(KIND, VERSION);
    ids.addTo(sections);
    packed.addTo(sections);
    sections.write(file, pace);
  }

  /** Bytes that the attributes take off the heap, without the ids. */
  public long byteSize() {
    return postings instanceof PackedPostings packed ? packed.byteSize() : 0;
  }

  public ItemIds ids() {
    return ids;
  }

  /** The indices of the items that satisfy a filter; not to be changed. */
  public RoaringBitmap compile(ItemFilter filter) {
    RoaringBitmap known = cache.get(filter);
    if (known != null) {
      return known;
    }
    RoaringBitmap compiled = evaluate(filter);
    compiled.runOptimize();
    cache.put(filter, compiled);
    return compiled;
  }

  /** Whether a filter was compiled before, and what came of it is kept. */
  public boolean isCompiled(ItemFilter filter) {
    return cache.get(filter) != null;
  }

  /** Filters that were compiled lately, the last that was asked for at the end. */
  public List<ItemFilter> lastCompiled(int most) {
    return cache.last(most);
  }

  private RoaringBitmap evaluate(ItemFilter filter) {
    return switch (filter) {
      case ItemFilter.Equals e -> {
        RoaringBitmap equal = new RoaringBitmap();
        postings.addTo(equal, e.attribute(), e.value());
        yield equal;
      }
      case ItemFilter.In in -> {
        RoaringBitmap any = new RoaringBitmap();
        for (AttributeValue value : in.values()) {
          postings.addTo(any, in.attribute(), value);
        }
        yield any;
      }
      case ItemFilter.Range range -> {
        RoaringBitmap within = new RoaringBitmap();
        // + 0.0 makes -0 and 0 one bound.
        double min = range.min() + 0.0;
        double max = range.max() + 0.0;
        if (min <= max) {
          postings.addRangeTo(within, range.attribute(), min, max);
        }
        yield within;
      }
      case ItemFilter.AllOf all -> {
        RoaringBitmap every = everything();
        for (ItemFilter operand : all.operands()) {
          every.and(evaluate(operand));
        }
        yield every;
      }
      case ItemFilter.AnyOf anyOf -> {
        RoaringBitmap any = new RoaringBitmap();
        for (ItemFilter operand : anyOf.operands()) {
          any.or(evaluate(operand));
        }
        yield any;
      }
      case ItemFilter.Not not -> {
        RoaringBitmap rest = everything();
        rest.andNot(evaluate(not.operand()));
        yield rest;
      }
      case ItemFilter.Ids wanted -> {
        RoaringBitmap named = new RoaringBitmap();
        for (String id : wanted.ids()) {
          int item = ids.indexOf(id);
          if (item >= 0) {
            named.add(item);
          }
        }
        yield named;
      }
    };
  }

  private RoaringBitmap everything() {
    return RoaringBitmap.bitmapOfRange(0, ids.size());
  }

  /** Collects values; the same item may have several values of one attribute. */
  public static final class Builder {
    private final ItemIds ids;
    private final HeapPostings postings = new HeapPostings();

    private Builder(ItemIds ids) {
      this.ids = ids;
    }

    /** Gives an item, by index, a value of an attribute. */
    public Builder add(int item, String attribute, AttributeValue value) {
      if (item < 0 || item >= ids.size()) {
        throw new IllegalArgumentException(
            "item: " + item + " (expected: 0.." + (ids.size() - 1) + ")");
      }
      postings.add(item, attribute, value);
      return this;
    }

    public ItemAttributes build() {
      return new ItemAttributes(ids, postings);
    }
  }
}

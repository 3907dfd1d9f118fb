package io.espalier.index;

import io.espalier.index.filter.AttributeValue;
import io.espalier.index.filter.ItemAttributes;
import io.espalier.index.filter.ItemFilter;
import io.espalier.index.filter.ItemFilter.AllOf;
import io.espalier.index.filter.ItemFilter.AnyOf;
import io.espalier.index.filter.ItemFilter.Equals;
import io.espalier.index.filter.ItemFilter.Ids;
import io.espalier.index.filter.ItemFilter.In;
import io.espalier.index.filter.ItemFilter.Not;
import io.espalier.index.filter.ItemFilter.Range;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.roaringbitmap.RoaringBitmap;

/**
 * Filters over a million items with one of 10,000 brands and a price in cents up to 200, compiled
 * to bitmaps. Each filter is a new one, so that none is found in the cache; {@code known} is.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class FilterBenchmark {
  private static final int ITEMS = 1_000_000;
  private static final int BRANDS = 10_000;

  @Param({"known", "equals", "in10", "in1000", "range", "and", "or", "not", "ids1000"})
  public String kind = "";

  private final Random random = new Random(1);
  private ItemAttributes attributes = ItemAttributes.builder(ItemIds.of(List.of())).build();

  @Setup
  public void build() {
    ItemIds ids = ItemIds.of(IntStream.range(0, ITEMS).mapToObj(FilterBenchmark::id).toList());
    ItemAttributes.Builder builder = ItemAttributes.builder(ids);
    for (int item = 0; item < ITEMS; item++) {
      builder.add(item, "brand", brand());
      builder.add(item, "price", AttributeValue.of(random.nextInt(20_000) / 100.0));
    }
    attributes = builder.build();
  }

  /** What is done once for each filter and snapshot, before its leaves are looked up. */
  @Benchmark
  public RoaringBitmap compile() {
    return attributes.compile(filter());
  }

  private ItemFilter filter() {
    return switch (kind) {
      case "known" -> new Equals("brand", AttributeValue.of("brand-1"));
      case "equals" -> new Equals("brand", brand());
      case "in10" -> new In("brand", brands(10));
      case "in1000" -> new In("brand", brands(1000));
      case "range" -> tenth();
      case "and" -> new AllOf(List.of(new In("brand", brands(10)), tenth()));
      case "or" -> new AnyOf(List.of(new In("brand", brands(10)), tenth()));
      case "not" -> new Not(tenth());
      case "ids1000" ->
          new Ids(
              random
                  .ints(1000, 0, ITEMS)
                  .mapToObj(FilterBenchmark::id)
                  .collect(Collectors.toSet()));
      default -> throw new IllegalArgumentException("kind: " + kind);
    };
  }

  /** A tenth of the prices, 2,000 values. */
  private Range tenth() {
    double from = random.nextDouble() * 180;
    return new Range("price", from, from + 20);
  }

  private Set<AttributeValue> brands(int count) {
    return IntStream.range(0, count).mapToObj(i -> brand()).collect(Collectors.toSet());
  }

  private AttributeValue brand() {
    return AttributeValue.of("brand-" + random.nextInt(BRANDS));
  }

  private static String id(int item) {
    return "item-" + item;
  }
}

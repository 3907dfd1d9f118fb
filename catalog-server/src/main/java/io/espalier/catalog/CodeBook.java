package io.espalier.catalog;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.index.vector.FloatMatrix;
import io.espalier.index.vector.NpyFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * Turns vectors into the codes of one bundle, level by level: the nearest centroid, then the
 * nearest to what that one leaves over.
 *
 * <p>Only prefixes of items that the bundle was trained on are given: its decoder has learnt to
 * write no others. The last code says little of an item, it tells those of one prefix apart: so the
 * bundle lists by prefix which free ones its decoder would write most readily.
 */
final class CodeBook {
  private final int levels;
  private final int codes;
  private final FloatMatrix centroids;
  private final Map<List<Integer>, int[]> children;
  private final Map<List<Integer>, int[]> listed;

  /** Where a vector lies: all codes but the last, and the vector without their centroids. */
  static final class Place {
    private final List<Integer> prefix;
    private final float[] left;

    private Place(List<Integer> prefix, float[] left) {
      this.prefix = prefix;
      this.left = left;
    }

    /** All codes but the last. */
    List<Integer> prefix() {
      return prefix;
    }
  }

  /**
   * The quantiser of a bundle.
   *
   * @param levels codes of an id
   * @param centroids the centroid of code c at level d is row d · codes + c
   * @param trained the ids of the items that the bundle was trained on
   * @param listed last codes by prefix, those to be given first before others
   */
  CodeBook(
      int levels,
      FloatMatrix centroids,
      Collection<List<Integer>> trained,
      Map<List<Integer>, int[]> listed) {
    this.levels = levels;
    this.codes = centroids.rows() / levels;
    this.centroids = centroids;
    this.listed = listed;
    Map<List<Integer>, TreeSet<Integer>> following = new HashMap<>();
    for (List<Integer> id : trained) {
      for (int d = 0; d < levels - 1; d++) {
        following.computeIfAbsent(id.subList(0, d), p -> new TreeSet<>()).add(id.get(d));
      }
    }
    this.children = HashMap.newHashMap(following.size());
    following.forEach(
        (prefix, next) ->
            children.put(List.copyOf(prefix), next.stream().mapToInt(code -> code).toArray()));
  }

  /**
   * Reads a bundle's.
   *
   * @throws BundleException when a file is malformed, or is not of the bundle's levels and codes
   */
  static CodeBook read(Bundle bundle, Collection<List<Integer>> trained) {
    int levels = bundle.parameters().size("levels");
    int codes = bundle.parameters().size("codes");
    try {
      FloatMatrix centroids = NpyFile.read(bundle.file("codebooks"));
      if (centroids.rows() != levels * codes) {
        throw new BundleException(
            "bundle %s: files.codebooks: %d rows (expected: %d levels of %d codes)"
                .formatted(bundle.id(), centroids.rows(), levels, codes));
      }
      return new CodeBook(
          levels, centroids, trained, listed(bundle.file("last_codes"), levels - 1, codes));
    } catch (IOException e) {
      throw new BundleException("bundle " + bundle.id() + ": codebooks and last_codes", e);
    }
  }

  private static Map<List<Integer>, int[]> listed(Path file, int depth, int codes)
      throws IOException {
    Map<List<Integer>, int[]> listed = new HashMap<>();
    List<String> lines = Files.readAllLines(file);
    for (int n = 0; n < lines.size(); n++) {
      String[] sides = lines.get(n).split("\t", -1);
      int[] prefix = sides.length == 2 ? numbers(sides[0], codes) : new int[0];
      int[] last = sides.length == 2 ? numbers(sides[1], codes) : new int[] {-1};
      if (prefix.length != depth
          || IntStream.concat(stream(prefix), stream(last)).anyMatch(c -> c < 0)) {
        throw new IOException(
            "%s:%d: %s (expected: %d codes, TAB, codes, all below %d)"
                .formatted(file, n + 1, lines.get(n), depth, codes));
      }
      listed.put(stream(prefix).boxed().toList(), last);
    }
    return listed;
  }

  private static IntStream stream(int[] numbers) {
    return Arrays.stream(numbers);
  }

  /** Codes separated by blanks; −1 for each that is none. */
  private static int[] numbers(String text, int codes) {
    return text.isEmpty()
        ? new int[0]
        : Arrays.stream(text.split(" ", -1))
            .mapToInt(
                part -> {
                  try {
                    int code = Integer.parseInt(part);
                    return code < codes ? code : -1;
                  } catch (NumberFormatException e) {
                    return -1;
                  }
                })
            .toArray();
  }

  /** Floats of a vector. */
  int width() {
    return centroids.width();
  }

  /** The prefix of a vector; of equally near codes the lower. */
  Place place(float[] vector) {
    float[] left = vector.clone();
    Integer[] prefix = new Integer[levels - 1];
    for (int d = 0; d < prefix.length; d++) {
      int[] possible = children.getOrDefault(Arrays.asList(prefix).subList(0, d), new int[0]);
      int nearest = nearest(d, left, stream(possible));
      prefix[d] = nearest;
      for (int i = 0; i < left.length; i++) {
        left[i] -= centroids.get(d * codes + nearest, i);
      }
    }
    return new Place(List.of(prefix), left);
  }

  /**
   * The last code of an item at a place: the first listed that is free, else the nearest that is
   * free; where none is, the nearest, which the item then shares.
   */
  int last(Place place, IntPredicate free) {
    for (int code : listed.getOrDefault(place.prefix, new int[0])) {
      if (free.test(code)) {
        return code;
      }
    }
    IntStream all = IntStream.range(0, codes);
    int nearestFree = nearest(levels - 1, place.left, all.filter(free));
    return nearestFree >= 0
        ? nearestFree
        : nearest(levels - 1, place.left, IntStream.range(0, codes));
  }

  private int nearest(int level, float[] left, IntStream among) {
    int best = -1;
    double least = Double.POSITIVE_INFINITY;
    for (int code : among.toArray()) {
      double distance = 0;
      for (int i = 0; i < left.length; i++) {
        double off = centroids.get(level * codes + code, i) - left[i];
        distance += off * off;
      }
      if (distance < least) {
        least = distance;
        best = code;
      }
    }
    return best;
  }
}

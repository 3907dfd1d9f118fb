package io.espalier.index.text;

/**
 * How one field of a catalogue is searched.
 *
 * @param name the field's name
 * @param weight factor of the field's BM25 score, > 0
 * @param b how much BM25 normalises by the field's length, 0..1
 * @param k1 how fast BM25 saturates with a term's frequency, ≥ 0
 */
public record TextField(String name, float weight, float b, float k1) {
  public TextField {
    require(weight > 0 && Float.isFinite(weight), name, "weight", weight, "> 0");
    require(b >= 0 && b <= 1, name, "b", b, "0..1");
    require(k1 >= 0 && Float.isFinite(k1), name, "k1", k1, ">= 0");
  }

  private static void require(
      boolean holds, String field, String parameter, float value, String expected) {
    if (!holds) {
      throw new IllegalArgumentException(
          field + "." + parameter + ": " + value + " (expected: " + expected + ")");
    }
  }
}

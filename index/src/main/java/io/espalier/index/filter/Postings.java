package io.espalier.index.filter;

import java.nio.charset.StandardCharsets;
import org.roaringbitmap.RoaringBitmap;

/** Which items have which values of which attributes. Immutable once it is read. */
interface Postings {

  /** Adds the items that have a value of an attribute. */
  void addTo(RoaringBitmap items, String attribute, AttributeValue value);

  /** Adds the items that have a number within bounds, both inclusive, none of them −0. */
  void addRangeTo(RoaringBitmap items, String attribute, double min, double max);

  /** All values, by attribute, then flags before numbers before texts, each ascending. */
  Cursor cursor();

  /** Goes over values. */
  interface Cursor {
    /** Goes on to the next value; false at the end. */
    boolean next();

    String attribute();

    AttributeValue value();

    /** The items that have it, ascending; the caller's to change. */
    int[] items();
  }

  /** The order of a cursor's values. */
  static int compare(Cursor a, Cursor b) {
    int byAttribute = a.attribute().compareTo(b.attribute());
    return byAttribute != 0 ? byAttribute : compare(a.value(), b.value());
  }

  /** The order of the values of an attribute. */
  static int compare(AttributeValue a, AttributeValue b) {
    return switch (a) {
      case AttributeValue.Flag(boolean value) ->
          b instanceof AttributeValue.Flag(boolean other) ? Boolean.compare(value, other) : -1;
      case AttributeValue.Numeric(double value) ->
          switch (b) {
            case AttributeValue.Flag flag -> 1;
            case AttributeValue.Numeric(double other) -> Double.compare(value, other);
            case AttributeValue.Text text -> -1;
          };
      case AttributeValue.Text(String value) ->
          b instanceof AttributeValue.Text(String other) ? value.compareTo(other) : 1;
    };
  }

  /** A text as it comes back from UTF-8. */
  static String wellFormed(String text) {
    return text.chars().anyMatch(c -> Character.isSurrogate((char) c))
        ? new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8)
        : text;
  }
}

package io.espalier.stores.catalog;

import java.util.Locale;
import java.util.Objects;

/** The value of an item's attribute: text, a number or a truth value. */
public sealed interface AttributeValue {

  /** The value as a reader would write it: {@code 17} and not {@code 17.0}, {@code true}. */
  String text();

  /** Text, compared exactly. */
  record Text(String text) implements AttributeValue {
    public Text {
      Objects.requireNonNull(text, "text");
    }
  }

  /** A finite number. */
  record Numeric(double value) implements AttributeValue {
    public Numeric {
      if (!Double.isFinite(value)) {
        throw new IllegalArgumentException("value: " + value + " (expected: finite)");
      }
    }

    @Override
    public String text() {
      return value == Math.rint(value) && Math.abs(value) < 1e15
          ? String.format(Locale.ROOT, "%.0f", value)
          : Double.toString(value);
    }
  }

  /** A truth value. */
  record Flag(boolean value) implements AttributeValue {
    @Override
    public String text() {
      return Boolean.toString(value);
    }
  }
}

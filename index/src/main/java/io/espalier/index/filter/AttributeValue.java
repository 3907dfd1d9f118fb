package io.espalier.index.filter;

/** One value of an item's attribute; values of different kinds are never equal. */
public sealed interface AttributeValue {

  /** Text, compared exactly; half a surrogate pair, which UTF-8 cannot say, is a question mark. */
  record Text(String value) implements AttributeValue {
    public Text {
      value = Postings.wellFormed(value);
    }
  }

  /** A number, compared as a double; −0 is 0. */
  record Numeric(double value) implements AttributeValue {
    public Numeric {
      value += 0.0;
    }
  }

  /** A truth value. */
  record Flag(boolean value) implements AttributeValue {}

  static AttributeValue of(String value) {
    return new Text(value);
  }

  static AttributeValue of(double value) {
    return new Numeric(value);
  }

  static AttributeValue of(boolean value) {
    return new Flag(value);
  }
}

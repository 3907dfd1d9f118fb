package io.espalier.inference;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The name of a model that is made anew again and again, as for each snapshot of a catalogue: what
 * all of them are, and which one this is.
 *
 * <p>Measurements have the former alone. They are kept for as long as a process lives, and an alert
 * is of one model however often it is made meanwhile.
 */
public final class ModelEdition {
  private static final Pattern NAME = Pattern.compile("(.+-live)-[0-9]+-[0-9a-f]{8}");

  private ModelEdition() {}

  /**
   * A model's name.
   *
   * @param series what all of them are; ends with {@code -live}
   * @param offset what it was made at
   * @param checksum of what it was made from
   */
  public static String name(String series, long offset, int checksum) {
    if (!series.endsWith("-live")) {
      throw new IllegalArgumentException(series + " (expected: a name that ends with -live)");
    }
    return "%s-%d-%08x".formatted(series, offset, checksum);
  }

  /** What a model is measured as: its series, or its own name where it is of none. */
  public static String series(String model) {
    Matcher name = NAME.matcher(model);
    return name.matches() ? name.group(1) : model;
  }
}

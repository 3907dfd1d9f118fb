package io.espalier.stores.users;

import java.util.Locale;
import java.util.Optional;

/** What a user did with an item. */
public enum EventKind {
  IMPRESSION,
  CLICK,
  ADD_TO_CART,
  PURCHASE;

  /** The kind of this name in any case, with {@code _} or {@code -}; empty when there is none. */
  public static Optional<EventKind> parse(String name) {
    String wanted = name.toUpperCase(Locale.ROOT).replace('-', '_');
    for (EventKind kind : values()) {
      if (kind.name().equals(wanted)) {
        return Optional.of(kind);
      }
    }
    return Optional.empty();
  }

  /** The name as files write it, in lower case. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}

package io.espalier.stores.users;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** What a user did with an item. */
public enum EventKind {
  IMPRESSION,
  CLICK,
  ADD_TO_CART,
  PURCHASE;

  private static final Map<String, EventKind> BY_LABEL =
      Arrays.stream(values()).collect(Collectors.toMap(EventKind::label, kind -> kind));

  /** The kind of this name in any case, with {@code _} or {@code -}; empty when there is none. */
  public static Optional<EventKind> parse(String name) {
    EventKind asFilesWriteIt = BY_LABEL.get(name);
    if (asFilesWriteIt != null) {
      return Optional.of(asFilesWriteIt);
    }
    return Optional.ofNullable(BY_LABEL.get(name.toLowerCase(Locale.ROOT).replace('-', '_')));
  }

  /** The name as files write it, in lower case. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}

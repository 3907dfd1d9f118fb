package io.espalier.index.live;

import io.espalier.index.filter.AttributeValue;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One update of a catalogue.
 *
 * @param id the item's external id
 * @param attributes its attributes from now on, each with its values; null when the item is removed
 */
public record ItemChange(String id, @Nullable Map<String, List<AttributeValue>> attributes) {

  /** Whether the item is gone from now on. */
  boolean isRemoval() {
    return attributes == null;
  }

  /** Its attributes; none of an item that is gone. */
  Map<String, List<AttributeValue>> values() {
    return attributes == null ? Map.of() : attributes;
  }
}

package io.espalier.router;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import io.espalier.bundles.BundleId;
import java.io.IOException;

/** Reads {@code name@version} in a route file. */
final class BundleIdReader extends StdDeserializer<BundleId> {
  private static final long serialVersionUID = 1L;

  BundleIdReader() {
    super(BundleId.class);
  }

  @Override
  public BundleId deserialize(JsonParser parser, DeserializationContext context)
      throws IOException {
    try {
      return BundleId.parse(parser.getText());
    } catch (IllegalArgumentException e) {
      throw JsonMappingException.from(parser, e.getMessage());
    }
  }
}

package io.espalier.router;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.espalier.catalog.v1.Filter;
import java.io.IOException;

/** Reads a filter in protobuf's JSON form, written as YAML. */
final class FilterReader extends StdDeserializer<Filter> {
  private static final long serialVersionUID = 1L;

  FilterReader() {
    super(Filter.class);
  }

  @Override
  public Filter deserialize(JsonParser parser, DeserializationContext context) throws IOException {
    JsonNode tree = context.readTree(parser);
    Filter.Builder filter = Filter.newBuilder();
    try {
      JsonFormat.parser().merge(tree.toString(), filter);
    } catch (InvalidProtocolBufferException e) {
      throw JsonMappingException.from(
          parser, "%s (expected: a filter; %s)".formatted(tree, e.getMessage()));
    }
    return filter.build();
  }
}

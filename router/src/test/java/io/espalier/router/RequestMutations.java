package io.espalier.router;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import io.espalier.events.v1.Event;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import io.espalier.router.v1.WhyNotRequest;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Valid requests that touch every field, and random mutations of them. */
final class RequestMutations {
  private RequestMutations() {}

  static List<Message> samples(String pageToken) {
    ListOptions.Builder options = ListOptions.newBuilder();
    options.setRoute("").setPageSize(7).putContext("device", "phone");
    options
        .getFilterBuilder()
        .getAllOfBuilder()
        .addFiltersBuilder()
        .getEqualsBuilder()
        .setAttribute("brand")
        .getValueBuilder()
        .setText("Acme");
    options
        .getFilterBuilder()
        .getAllOfBuilder()
        .addFiltersBuilder()
        .getNotBuilder()
        .getRangeBuilder()
        .setAttribute("price")
        .setMin(1)
        .setMax(9.5);
    Event.Builder event = Event.newBuilder().setEventId("e1").setItemId("i1").setPosition(3);
    event.getTimeBuilder().setSeconds(1_700_000_000).setNanos(5);
    User user = User.newBuilder().setId("user").addRecentEvents(event).build();
    SearchRequest search =
        SearchRequest.newBuilder()
            .setQuery("red shoes, größe 42")
            .setUser(user)
            .setOptions(options)
            .build();
    return List.of(
        search,
        RecommendRequest.newBuilder().setUser(user).setOptions(options).build(),
        RecommendRequest.newBuilder()
            .setOptions(ListOptions.newBuilder().setPageToken(pageToken))
            .build(),
        WhyNotRequest.newBuilder().setItemId("i2").setSearch(search).build(),
        RecordEventsRequest.newBuilder()
            .setRequestId("r")
            .setUserId("user")
            .addEvents(event)
            .addEvents(event.clone().setEventId("e2"))
            .build());
  }

  /** The bytes of a request, mutated in its fields, in its bytes, or in both. */
  static byte[] bytes(Message message, Random random) {
    boolean fields = random.nextInt(3) > 0;
    byte[] bytes = (fields ? message(message, random) : message).toByteArray();
    int times = fields ? random.nextInt(2) : 1 + random.nextInt(4);
    for (int i = 0; i < times; i++) {
      bytes = mutateBytes(bytes, random);
    }
    return bytes;
  }

  /** A request with one to three fields set to something at or beyond their edges. */
  static Message message(Message message, Random random) {
    Message.Builder builder = message.toBuilder();
    for (int i = 0; i <= random.nextInt(3); i++) {
      mutateField(builder, random);
    }
    return builder.buildPartial();
  }

  private static byte[] mutateBytes(byte[] bytes, Random random) {
    if (bytes.length == 0) {
      byte[] some = new byte[random.nextInt(20)];
      random.nextBytes(some);
      return some;
    }
    int at = random.nextInt(bytes.length);
    switch (random.nextInt(6)) {
      case 0 -> {
        byte[] flipped = bytes.clone();
        flipped[at] ^= (byte) (1 << random.nextInt(8));
        return flipped;
      }
      case 1 -> {
        byte[] set = bytes.clone();
        set[at] = (byte) random.nextInt(256);
        return set;
      }
      case 2 -> {
        return Arrays.copyOf(bytes, at);
      }
      case 3 -> {
        byte[] inserted = new byte[1 + random.nextInt(8)];
        random.nextBytes(inserted);
        return joined(
            Arrays.copyOf(bytes, at), inserted, Arrays.copyOfRange(bytes, at, bytes.length));
      }
      case 4 -> {
        int to = at + random.nextInt(bytes.length - at) + 1;
        return joined(Arrays.copyOf(bytes, at), Arrays.copyOfRange(bytes, to, bytes.length));
      }
      default -> {
        int to = at + random.nextInt(bytes.length - at) + 1;
        return joined(
            Arrays.copyOf(bytes, to),
            Arrays.copyOfRange(bytes, at, to),
            Arrays.copyOfRange(bytes, to, bytes.length));
      }
    }
  }

  private static byte[] joined(byte[]... parts) {
    return ByteString.copyFrom(Arrays.stream(parts).map(ByteString::copyFrom).toList())
        .toByteArray();
  }

  /** Sets a random field, here or in a message below, to something at or beyond its edges. */
  private static void mutateField(Message.Builder builder, Random random) {
    List<FieldDescriptor> fields = builder.getDescriptorForType().getFields();
    FieldDescriptor field = fields.get(random.nextInt(fields.size()));
    if (field.isMapField() || random.nextInt(8) == 0) {
      builder.clearField(field);
      return;
    }
    if (field.isRepeated()) {
      int count = builder.getRepeatedFieldCount(field);
      if (count > 0
          && field.getJavaType() == FieldDescriptor.JavaType.MESSAGE
          && random.nextBoolean()) {
        Message.Builder child =
            ((Message) builder.getRepeatedField(field, random.nextInt(count))).toBuilder();
        mutateField(child, random);
        builder.setRepeatedField(field, random.nextInt(count), child.buildPartial());
        return;
      }
      int copies = random.nextInt(4) == 0 ? random.nextInt(1_100) : 1 + random.nextInt(3);
      Object value = value(builder, field, random);
      for (int i = 0; i < copies; i++) {
        builder.addRepeatedField(field, value);
      }
      return;
    }
    if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE && builder.hasField(field)) {
      Message.Builder child = ((Message) builder.getField(field)).toBuilder();
      mutateField(child, random);
      builder.setField(field, child.buildPartial());
      return;
    }
    builder.setField(field, value(builder, field, random));
  }

  private static Object value(Message.Builder parent, FieldDescriptor field, Random random) {
    return switch (field.getJavaType()) {
      case INT -> pick(random, 0, 1, -1, 500, 501, 1_000_000, Integer.MAX_VALUE, Integer.MIN_VALUE);
      case LONG -> pick(random, 0L, -1L, 253_402_300_800L, Long.MAX_VALUE, Long.MIN_VALUE);
      case FLOAT -> pick(random, 0f, Float.NaN, Float.POSITIVE_INFINITY);
      case DOUBLE ->
          pick(random, 0.0, -0.0, Double.NaN, Double.NEGATIVE_INFINITY, Double.MAX_VALUE);
      case BOOLEAN -> random.nextBoolean();
      case STRING -> text(random);
      case BYTE_STRING -> ByteString.copyFromUtf8(text(random));
      case ENUM -> field.getEnumType().findValueByNumberCreatingIfUnknown(random.nextInt(12) - 2);
      case MESSAGE -> {
        Message.Builder child = parent.newBuilderForField(field);
        if (random.nextBoolean()) {
          mutateField(child, random);
        }
        yield child.buildPartial();
      }
    };
  }

  @SafeVarargs
  private static <T> T pick(Random random, T... values) {
    return values[random.nextInt(values.length)];
  }

  private static String text(Random random) {
    return switch (random.nextInt(8)) {
      case 0 -> "";
      case 1 -> " \t\n ";
      case 2 -> "x".repeat(random.nextInt(2_000));
      case 3 -> "\u0000\u0001";
      case 4 -> "🦊".repeat(1 + random.nextInt(100));
      case 5 -> "feed";
      case 6 -> "%s %d \\ \" ' ; -- <>";
      default -> "i" + random.nextInt(40);
    };
  }
}

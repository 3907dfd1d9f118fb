package io.espalier.cli.cluster;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import com.google.protobuf.Message;
import java.util.List;
import java.util.Random;

/**
 * Requests that somebody meant no good by: sound ones with fields set to what their types allow and
 * nobody expects, and with bytes changed, cut off, repeated or put in.
 */
final class MutatedMessages {
  private static final int DEEPEST = 40;
  private static final List<String> TEXTS =
      List.of(
          "",
          " ",
          "*",
          "../../../etc/passwd",
          "a\u0000b",
          "\uD83D\uDE00",
          "\u202Eabc",
          "%s%n{}",
          "x".repeat(257),
          "y".repeat(5_000),
          "-1",
          "9223372036854775808",
          "NaN");

  private final Random random;
  private final List<String> words;

  /**
   * @param words that mean something to the servers: ids, names, queries
   */
  MutatedMessages(long seed, List<String> words) {
    this.random = new Random(seed);
    this.words = words;
  }

  byte[] of(Message sound) {
    Message changed = sound;
    int kind = random.nextInt(20);
    if (kind < 14) {
      for (int i = random.nextInt(3); i >= 0; i--) {
        changed = changed(changed, 0);
      }
    }
    byte[] bytes = changed.toByteArray();
    return kind >= 12 && kind < 19 ? spoilt(bytes) : bytes;
  }

  private Message changed(Message message, int depth) {
    List<FieldDescriptor> fields = message.getDescriptorForType().getFields();
    if (fields.isEmpty()) {
      return message;
    }
    Message.Builder builder = message.toBuilder();
    FieldDescriptor field = fields.get(random.nextInt(fields.size()));
    if (field.isRepeated()) {
      changeList(builder, field, depth);
    } else if (random.nextInt(5) == 0) {
      builder.clearField(field);
    } else if (field.getJavaType() == JavaType.MESSAGE
        && message.hasField(field)
        && random.nextInt(3) > 0) {
      builder.setField(field, changed((Message) message.getField(field), depth + 1));
    } else {
      builder.setField(field, value(builder, field, depth));
    }
    return builder.build();
  }

  private void changeList(Message.Builder builder, FieldDescriptor field, int depth) {
    int size = builder.getRepeatedFieldCount(field);
    switch (random.nextInt(5)) {
      case 0 -> builder.clearField(field);
      case 1 -> {
        if (size > 0 && !field.isMapField()) {
          Object repeated = builder.getRepeatedField(field, random.nextInt(size));
          for (int i = 1 << random.nextInt(11); i > 0; i--) {
            builder.addRepeatedField(field, repeated);
          }
        }
      }
      case 2 -> {
        if (size > 0 && field.getJavaType() == JavaType.MESSAGE && !field.isMapField()) {
          int at = random.nextInt(size);
          builder.setRepeatedField(
              field, at, changed((Message) builder.getRepeatedField(field, at), depth + 1));
        }
      }
      default -> builder.addRepeatedField(field, value(builder, field, depth));
    }
  }

  private Object value(Message.Builder parent, FieldDescriptor field, int depth) {
    return switch (field.getJavaType()) {
      case INT -> number().intValue();
      case LONG -> number().longValue();
      case FLOAT -> number().floatValue();
      case DOUBLE -> number().doubleValue();
      case BOOLEAN -> random.nextBoolean();
      case STRING -> text();
      case BYTE_STRING -> {
        byte[] bytes = new byte[random.nextInt(64)];
        random.nextBytes(bytes);
        yield ByteString.copyFrom(bytes);
      }
      case ENUM -> field.getEnumType().findValueByNumberCreatingIfUnknown(random.nextInt(12) - 2);
      case MESSAGE -> {
        Message fresh = parent.newBuilderForField(field).build();
        int changes = depth > DEEPEST ? 0 : random.nextInt(4);
        for (int i = 0; i < changes; i++) {
          fresh = changed(fresh, depth + 1);
        }
        yield fresh;
      }
    };
  }

  private Number number() {
    return switch (random.nextInt(8)) {
      case 0 -> 0;
      case 1 -> -1;
      case 2 -> Integer.MAX_VALUE;
      case 3 -> Long.MIN_VALUE;
      case 4 -> Double.NaN;
      case 5 -> Double.NEGATIVE_INFINITY;
      case 6 -> random.nextInt(1_000);
      default -> random.nextLong();
    };
  }

  private String text() {
    return random.nextBoolean()
        ? TEXTS.get(random.nextInt(TEXTS.size()))
        : words.get(random.nextInt(words.size()));
  }

  private byte[] spoilt(byte[] message) {
    byte[] bytes = message;
    for (int i = random.nextInt(3); i >= 0; i--) {
      int at = random.nextInt(bytes.length + 1);
      int end = at + random.nextInt(Math.min(16, bytes.length - at) + 1);
      byte[] middle =
          switch (random.nextInt(4)) {
            case 0 -> new byte[0];
            case 1 -> {
              byte[] noise = new byte[end - at];
              random.nextBytes(noise);
              yield noise;
            }
            case 2 -> java.util.Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + 16));
            default -> {
              byte[] noise = new byte[random.nextInt(12)];
              random.nextBytes(noise);
              yield noise;
            }
          };
      byte[] next = new byte[at + middle.length + bytes.length - end];
      System.arraycopy(bytes, 0, next, 0, at);
      System.arraycopy(middle, 0, next, at, middle.length);
      System.arraycopy(bytes, end, next, at + middle.length, bytes.length - end);
      bytes = next;
    }
    return bytes;
  }
}

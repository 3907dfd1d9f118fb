package io.espalier.server;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationContext;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.deser.std.StdDeserializer;
import com.fasterxml.jackson.databind.ser.std.StdSerializer;
import java.io.IOException;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Durations as configuration writes them: a whole number and {@code us}, {@code ms}, {@code s},
 * {@code m} or {@code h}.
 */
final class DurationText {
  private static final Pattern TEXT = Pattern.compile("(\\d{1,12})\\s*(us|ms|s|m|h)");

  private static final Duration LONGEST = Duration.ofDays(365);

  private DurationText() {}

  static Duration parse(String text) {
    Matcher match = TEXT.matcher(text.strip());
    if (!match.matches()) {
      if (text.strip().equals("0")) {
        return Duration.ZERO;
      }
      throw new IllegalArgumentException(
          "%s (expected: a duration such as 500us, 250ms, 10s, 5m, 1h)".formatted(text));
    }
    long number = Long.parseLong(match.group(1));
    Duration duration =
        switch (match.group(2)) {
          case "us" -> Duration.ofNanos(Math.multiplyExact(number, 1_000L));
          case "ms" -> Duration.ofMillis(number);
          case "s" -> Duration.ofSeconds(number);
          case "m" -> Duration.ofMinutes(number);
          default -> Duration.ofHours(number);
        };
    // Longer ones overflow once they are nanoseconds.
    if (duration.compareTo(LONGEST) > 0) {
      throw new IllegalArgumentException("%s (expected: at most 8760h)".formatted(text));
    }
    return duration;
  }

  static String format(Duration duration) {
    long micros = duration.toNanos() / 1_000;
    if (micros % 1_000 != 0) {
      return micros + "us";
    }
    long millis = micros / 1_000;
    return millis % 1_000 != 0 || millis == 0 ? millis + "ms" : millis / 1_000 + "s";
  }

  static final class Reader extends StdDeserializer<Duration> {
    private static final long serialVersionUID = 1L;

    Reader() {
      super(Duration.class);
    }

    @Override
    public Duration deserialize(JsonParser parser, DeserializationContext context)
        throws IOException {
      try {
        return parse(parser.getText());
      } catch (IllegalArgumentException | ArithmeticException e) {
        throw JsonMappingException.from(parser, e.getMessage());
      }
    }
  }

  static final class Writer extends StdSerializer<Duration> {
    private static final long serialVersionUID = 1L;

    Writer() {
      super(Duration.class);
    }

    @Override
    public void serialize(Duration value, JsonGenerator out, SerializerProvider provider)
        throws IOException {
      out.writeString(format(value));
    }
  }
}

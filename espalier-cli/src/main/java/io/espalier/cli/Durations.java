package io.espalier.cli;

import java.time.Duration;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads a time with its unit: {@code 200ms}, {@code 2s}, {@code 60m}, {@code 3h}. */
final class Durations implements ITypeConverter<Duration> {
  private static final Pattern FORM = Pattern.compile("([0-9]{1,9})(ms|s|m|h)");
  private static final Map<String, Duration> UNITS =
      Map.of(
          "ms", Duration.ofMillis(1),
          "s", Duration.ofSeconds(1),
          "m", Duration.ofMinutes(1),
          "h", Duration.ofHours(1));

  private static final Duration LONGEST = Duration.ofDays(365);

  @Override
  public Duration convert(String text) {
    Matcher matcher = FORM.matcher(text);
    if (!matcher.matches()) {
      throw new TypeConversionException(
          text + " (expected: a number and a unit, such as 200ms, 2s, 60m or 3h)");
    }
    Duration duration =
        UNITS
            .getOrDefault(matcher.group(2), Duration.ZERO)
            .multipliedBy(Long.parseLong(matcher.group(1)));
    if (duration.isZero() || duration.compareTo(LONGEST) > 0) {
      throw new TypeConversionException(text + " (expected: more than 0, at most 8760h)");
    }
    return duration;
  }
}

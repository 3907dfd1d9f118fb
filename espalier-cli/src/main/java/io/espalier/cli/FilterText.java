package io.espalier.cli;

import io.espalier.catalog.v1.Equals;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.In;
import io.espalier.catalog.v1.Range;
import io.espalier.catalog.v1.Value;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Reads one predicate as a person types it: {@code brand=Acme}, {@code color!=red}, {@code
 * color=red|blue}, {@code price<=50}, {@code stock>=1}. {@code true}, {@code false} and numbers are
 * read as such; in quotes they are text: {@code size="40"}.
 */
final class FilterText implements ITypeConverter<Filter> {
  private static final Pattern FORM = Pattern.compile("([^=!<>|\"]+?)\\s*(=|!=|<=|>=)\\s*(.+)");
  private static final Pattern NUMBER = Pattern.compile("-?[0-9]+(\\.[0-9]+)?");

  @Override
  public Filter convert(String text) {
    Matcher matcher = FORM.matcher(text.strip());
    if (!matcher.matches()) {
      throw wrong(text);
    }
    String attribute = matcher.group(1);
    String value = matcher.group(3);
    return switch (matcher.group(2)) {
      case "=" -> isOneOf(attribute, value);
      case "!=" -> Filter.newBuilder().setNot(isOneOf(attribute, value)).build();
      case "<=" -> range(Range.newBuilder().setAttribute(attribute).setMax(number(text, value)));
      case ">=" -> range(Range.newBuilder().setAttribute(attribute).setMin(number(text, value)));
      default -> throw wrong(text);
    };
  }

  private static Filter isOneOf(String attribute, String value) {
    List<Value> values =
        Pattern.compile("|", Pattern.LITERAL).splitAsStream(value).map(FilterText::value).toList();
    return values.size() == 1
        ? Filter.newBuilder()
            .setEquals(Equals.newBuilder().setAttribute(attribute).setValue(values.getFirst()))
            .build()
        : Filter.newBuilder()
            .setIn(In.newBuilder().setAttribute(attribute).addAllValues(values))
            .build();
  }

  private static Filter range(Range.Builder range) {
    return Filter.newBuilder().setRange(range).build();
  }

  private static Value value(String text) {
    if (text.length() >= 2 && text.startsWith("\"") && text.endsWith("\"")) {
      return Value.newBuilder().setText(text.substring(1, text.length() - 1)).build();
    }
    if (text.equals("true") || text.equals("false")) {
      return Value.newBuilder().setFlag(Boolean.parseBoolean(text)).build();
    }
    return NUMBER.matcher(text).matches()
        ? Value.newBuilder().setNumber(Double.parseDouble(text)).build()
        : Value.newBuilder().setText(text).build();
  }

  private static double number(String text, String value) {
    if (!NUMBER.matcher(value).matches()) {
      throw wrong(text);
    }
    return Double.parseDouble(value);
  }

  private static TypeConversionException wrong(String text) {
    return new TypeConversionException(
        text + " (expected: ATTRIBUTE=VALUE, !=VALUE, =A|B, <=NUMBER or >=NUMBER)");
  }
}

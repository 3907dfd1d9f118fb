package io.espalier.shop;

import io.espalier.shop.ProductType.Attribute;
import io.espalier.shop.ProductType.Complement;
import io.espalier.shop.ProductType.Ownership;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * All product types of the shop, read from {@code types/*.txt}. A file is a department; a type is
 * one header line, {@code id | noun | plural | subcategory}, and indented lines {@code key value}.
 * A key that is none of the known ones is an attribute; a star before it puts it in titles. Each
 * {@code extra name price shape} is an accessory type.
 */
final class ProductTypes {
  private static final List<String> FILES =
      List.of(
          "audio",
          "baby",
          "beauty",
          "clothing",
          "computing",
          "cycling",
          "fitness",
          "garden",
          "home",
          "kitchen",
          "outdoor",
          "pantry",
          "pets",
          "photo",
          "stationery",
          "tools",
          "toys");
  private static final Pattern COMMA = Pattern.compile(", ");
  private static final Pattern SLASH = Pattern.compile(" / ");
  private static final Pattern BAR = Pattern.compile(" \\| ");

  private final List<ProductType> types;
  private final Map<String, ProductType> byId;

  private ProductTypes(List<ProductType> types) {
    this.types = List.copyOf(types);
    this.byId = new LinkedHashMap<>();
    for (ProductType type : types) {
      if (byId.put(type.id(), type) != null) {
        throw new IllegalStateException("type: " + type.id() + " (expected: once)");
      }
    }
    for (ProductType type : types) {
      for (Complement complement : type.complements()) {
        byId(complement.type());
      }
    }
  }

  static ProductTypes load() {
    List<ProductType> types = new ArrayList<>();
    for (String file : FILES) {
      String department = "";
      Map<String, String> block = new LinkedHashMap<>();
      List<String> extras = new ArrayList<>();
      for (String line : Resources.lines("types/" + file + ".txt")) {
        if (line.startsWith("department ")) {
          department = line.substring("department ".length());
        } else if (line.startsWith("  ")) {
          String body = line.strip();
          int blank = body.indexOf(' ');
          String key = body.substring(0, blank);
          String value = body.substring(blank + 1);
          if (key.equals("extra")) {
            extras.add(value);
          } else if (block.put(key, value) != null) {
            throw new IllegalStateException(file + ": " + line + " (expected: once in a type)");
          }
        } else {
          add(types, department, block, extras);
          block = new LinkedHashMap<>();
          extras = new ArrayList<>();
          block.put("", line);
        }
      }
      add(types, department, block, extras);
    }
    return new ProductTypes(types);
  }

  List<ProductType> all() {
    return types;
  }

  int size() {
    return types.size();
  }

  ProductType byId(String id) {
    ProductType type = byId.get(id);
    if (type == null) {
      throw new IllegalStateException("type: " + id + " (expected: a type of the shop)");
    }
    return type;
  }

  private static void add(
      List<ProductType> types, String department, Map<String, String> block, List<String> extras) {
    if (block.isEmpty()) {
      return;
    }
    String[] header = BAR.split(take(block, ""), -1);
    String[] price = take(block, "price").split(" ", -1);
    ProductType main =
        new ProductType(
            types.size(),
            header[0],
            department,
            header[3],
            header[1],
            header[2],
            Double.parseDouble(price[0]),
            Double.parseDouble(price[1]),
            block.containsKey("season") ? take(block, "season") : "",
            block.containsKey("kind")
                ? Ownership.valueOf(take(block, "kind").toUpperCase(Locale.ROOT))
                : Ownership.DURABLE,
            take(block, "shape"),
            List.of(COMMA.split(take(block, "colours"), -1)),
            new ArrayList<>(),
            block.containsKey("vary") ? take(block, "vary") : "",
            List.of(SLASH.split(take(block, "says"), -1)),
            List.of(COMMA.split(take(block, "for"), -1)),
            List.of(COMMA.split(take(block, "also"), -1)),
            List.of(COMMA.split(take(block, "asks"), -1)),
            complements(take(block, "with")),
            "");
    block.forEach(
        (key, value) -> {
          boolean inTitle = key.startsWith("*");
          String name = (inTitle ? key.substring(1) : key).replace('-', ' ');
          main.attributes().add(new Attribute(name, List.of(COMMA.split(value, -1)), inTitle));
        });
    types.add(main);
    for (String extra : extras) {
      types.add(accessory(types.size(), main, extra));
    }
  }

  private static ProductType accessory(int index, ProductType main, String line) {
    int shapeAt = line.lastIndexOf(' ');
    int priceAt = line.lastIndexOf(' ', shapeAt - 1);
    String noun = line.substring(0, priceAt);
    return new ProductType(
        index,
        main.id() + "/" + noun.replace(' ', '-'),
        main.department(),
        main.subcategory(),
        noun,
        noun,
        Double.parseDouble(line.substring(priceAt + 1, shapeAt)),
        0.3,
        main.season(),
        Ownership.DURABLE,
        line.substring(shapeAt + 1),
        List.of("black", "grey", "white", main.colours().getFirst()),
        List.of(),
        "",
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        List.of(),
        main.id());
  }

  private static List<Complement> complements(String text) {
    List<Complement> complements = new ArrayList<>();
    for (String part : COMMA.split(text, -1)) {
      int blank = part.lastIndexOf(' ');
      complements.add(
          new Complement(part.substring(0, blank), Integer.parseInt(part.substring(blank + 1))));
    }
    return complements;
  }

  private static String take(Map<String, String> block, String key) {
    String value = block.remove(key);
    if (value == null) {
      throw new IllegalStateException(block + ": no " + key + " (expected: in every type)");
    }
    return value;
  }
}

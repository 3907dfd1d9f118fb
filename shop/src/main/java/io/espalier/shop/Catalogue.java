package io.espalier.shop;

import io.espalier.shop.ProductType.Attribute;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Makes the shop's products: models of a type by a brand, each in one or several variants. */
final class Catalogue {
  private static final double ACCESSORY_SHARE = 0.32;
  private static final double[] TIER_PRICE = {-0.45, -0.1, 0.25, 0.7};
  private static final List<String> NUMBERED = List.of("Audio", "Computing", "Photo", "Tools");
  private static final List<String> SUFFIXES =
      List.of("II", "Plus", "Mini", "One", "Pro", "III", "Air");

  /** A model: what its variants share. */
  private record Model(
      int group,
      ProductType type,
      Brand brand,
      String name,
      int range,
      double appeal,
      double price) {}

  private final ShopConfig config;
  private final ProductTypes types;
  private final List<Brand> brands;
  private final Palette palette;
  private final Grammar grammar = new Grammar();
  private final Dice dice;
  private final List<Product> products = new ArrayList<>();
  private final List<Model> models = new ArrayList<>();
  private final Set<String> names = new HashSet<>();

  private Catalogue(
      ShopConfig config, ProductTypes types, List<Brand> brands, Palette palette, Dice dice) {
    this.config = config;
    this.types = types;
    this.brands = brands;
    this.palette = palette;
    this.dice = dice;
  }

  /** The products in the order of the items file, which says nothing about their types. */
  static List<Product> make(
      ShopConfig config, ProductTypes types, List<Brand> brands, Palette palette, Dice dice) {
    return new Catalogue(config, types, brands, palette, dice).make();
  }

  private List<Product> make() {
    int[] counts = counts();
    int[] order = dice.split("order").permutation(config.products());
    for (ProductType type : types.all()) {
      Dice own = dice.split(type.id());
      List<Model> mains =
          models.stream().filter(model -> model.type().id().equals(type.accessoryOf())).toList();
      int left = counts[type.index()];
      while (left > 0) {
        int variants = StrictMath.min(left, 1 + own.below(StrictMath.min(4, choices(type))));
        if (type.isAccessory()) {
          accessory(own, type, own.of(mains), order);
        } else {
          model(own, type, variants, order);
        }
        left -= variants;
      }
    }
    Product[] sorted = new Product[products.size()];
    for (Product product : products) {
      sorted[product.index()] = product;
    }
    return List.of(sorted);
  }

  private int[] counts() {
    Dice own = dice.split("counts");
    double[] weights = new double[types.size()];
    double sum = 0;
    for (ProductType type : types.all()) {
      weights[type.index()] = own.logNormal(0.35) * (type.isAccessory() ? ACCESSORY_SHARE : 1);
      sum += weights[type.index()];
    }
    int[] counts = new int[types.size()];
    int total = 0;
    for (int i = 0; i < counts.length; i++) {
      counts[i] = StrictMath.max(1, (int) (weights[i] / sum * config.products()));
      total += counts[i];
    }
    for (int i = 0; total != config.products(); i = (i + 1) % counts.length) {
      if (total < config.products()) {
        counts[i]++;
        total++;
      } else if (counts[i] > 1) {
        counts[i]--;
        total--;
      }
    }
    return counts;
  }

  private void model(Dice own, ProductType type, int variants, int[] order) {
    Brand brand = brand(own, type.department());
    int line = own.below(brand.lines().size());
    String name = brand.lines().get(line);
    if (NUMBERED.contains(type.department()) && own.chance(0.5)) {
      name += " " + (1 + own.below(9)) * (own.chance(0.5) ? 10 : 100);
    }
    String unique = name;
    for (int i = 0; !names.add(brand.name() + "|" + unique + "|" + type.id()); i++) {
      unique = name + " " + (i < SUFFIXES.size() ? SUFFIXES.get(i) : "No. " + (i + 1));
    }
    double price =
        type.price()
            * StrictMath.exp(
                TIER_PRICE[brand.tier() - 1] + 0.6 * type.priceSpread() * own.normal());
    double appeal = brand.fame() * own.logNormal(0.42);
    int range = brand.index() * 100 + line;
    Model model = new Model(models.size(), type, brand, unique, range, appeal, price);
    models.add(model);

    Map<String, Integer> chosen = new LinkedHashMap<>();
    for (Attribute attribute : type.attributes()) {
      if (attribute.inTitle() || attribute.key().equals(type.varies()) || own.chance(0.85)) {
        chosen.put(attribute.key(), own.below(attribute.values().size()));
      }
    }
    List<String> uses = new ArrayList<>();
    uses.add(own.of(type.uses()));
    String second = own.of(type.uses());
    if (own.chance(0.4) && !uses.contains(second)) {
      uses.add(second);
    }
    int colourStart = own.below(type.colours().size());
    for (int v = 0; v < variants; v++) {
      Map<String, Integer> values = new LinkedHashMap<>(chosen);
      String colour = type.colours().get(colourStart);
      if (type.varies().equals("colour")) {
        colour = type.colours().get((colourStart + v) % type.colours().size());
      } else if (!type.varies().isEmpty()) {
        int first = chosen.getOrDefault(type.varies(), 0);
        values.put(type.varies(), (first + v) % choices(type));
      }
      variant(own.split(models.size() * 10L + v), model, values, colour, uses, order);
    }
  }

  private void variant(
      Dice own,
      Model model,
      Map<String, Integer> values,
      String colour,
      List<String> uses,
      int[] order) {
    ProductType type = model.type();
    Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put("colour", colour);
    List<String> details = new ArrayList<>();
    double price = model.price();
    for (Attribute attribute : type.attributes()) {
      Integer at = values.get(attribute.key());
      if (at != null) {
        String value = attribute.values().get(at);
        attributes.put(attribute.key(), value);
        if (attribute.inTitle()) {
          details.add(value.startsWith("f/") ? value : Grammar.capitalised(value));
        }
        if (Character.isDigit(value.charAt(0)) || value.startsWith("set of")) {
          price *= 1 + 0.16 * (at - (attribute.values().size() - 1) / 2.0);
        }
      }
    }
    if (type.colours().size() > 1 && (type.varies().equals("colour") || own.chance(0.6))) {
      details.add(Grammar.capitals(colour));
    }
    attributes.put("style", model.brand().style().name().toLowerCase(Locale.ROOT));
    attributes.put("suited to", String.join(", ", uses));
    add(
        own,
        model,
        -1,
        Grammar.title(model.brand(), model.name(), type.noun(), details),
        grammar.description(own, type, model.brand(), model.name(), attributes, uses),
        List.of(type.department(), type.subcategory(), Grammar.capitals(type.plural())),
        price,
        attributes,
        colour,
        uses,
        order);
  }

  private void accessory(Dice own, ProductType type, Model main, int[] order) {
    Brand brand = own.chance(0.6) ? main.brand() : brand(own, type.department());
    String mainName = main.brand().name() + " " + main.name();
    double price =
        type.price()
            * StrictMath.exp(
                0.6 * TIER_PRICE[brand.tier() - 1] + 0.5 * type.priceSpread() * own.normal());
    Model model =
        new Model(models.size(), type, brand, main.name(), main.range(), own.logNormal(0.5), price);
    models.add(model);
    String colour = own.of(type.colours());
    Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put("colour", colour);
    attributes.put("fits", mainName);
    String title =
        brand.name()
            + " "
            + Grammar.capitals(type.noun())
            + " for "
            + mainName
            + " "
            + Grammar.capitals(main.type().noun())
            + (own.chance(0.4) ? ", " + Grammar.capitals(colour) : "");
    add(
        own,
        model,
        main.group(),
        title,
        grammar.accessoryDescription(own, mainName + " " + main.type().noun(), colour),
        List.of(
            type.department(),
            type.subcategory(),
            Grammar.capitals(main.type().noun()) + " Accessories"),
        price,
        attributes,
        colour,
        List.of(),
        order);
  }

  private void add(
      Dice own,
      Model model,
      int fits,
      String title,
      String description,
      List<String> category,
      double price,
      Map<String, String> attributes,
      String colour,
      List<String> uses,
      int[] order) {
    int index = order[products.size()];
    double appeal = model.appeal() * own.logNormal(0.35);
    Availability availability = Availability.draw(own.split("stock"), config.days(), appeal);
    int stock = availability.on(config.days() - 1) ? 1 + (int) (own.exponential() * 40) : 0;
    Palette.Colour shown = palette.get(colour);
    Item item =
        new Item(
            String.format(Locale.ROOT, "P%05d", index + 1),
            title,
            model.brand().name(),
            category,
            description,
            rounded(price),
            attributes,
            String.format(Locale.ROOT, "G%05d", model.group() + 1),
            stock,
            availability.launched(),
            model.type().shape(),
            shown.hex());
    products.add(
        new Product(
            index,
            item,
            model.type(),
            model.brand(),
            model.group(),
            model.range(),
            fits,
            colour,
            shown.familyIndex(),
            uses,
            appeal,
            availability));
  }

  private Brand brand(Dice own, String department) {
    double[] weights = new double[brands.size()];
    for (Brand brand : brands) {
      weights[brand.index()] = brand.departments().contains(department) ? brand.fame() : 0;
    }
    return brands.get(own.weighted(weights));
  }

  /** How many variants a product of the type can have. */
  private static int choices(ProductType type) {
    if (type.varies().isEmpty()) {
      return 1;
    }
    if (type.varies().equals("colour")) {
      return type.colours().size();
    }
    for (Attribute attribute : type.attributes()) {
      if (attribute.key().equals(type.varies())) {
        return attribute.values().size();
      }
    }
    throw new IllegalStateException(
        type.id() + ": vary " + type.varies() + " (expected: one of its attributes)");
  }

  /**
   * Prices end as shops let them end: .90 or .95 below 20, whole or .50 above, whole tens far up.
   */
  private static double rounded(double price) {
    if (price < 20) {
      long whole = (long) price;
      return whole + (price - whole < 0.5 ? 0.49 : 0.95);
    }
    if (price < 100) {
      return (long) price + 0.90;
    }
    return price < 300 ? StrictMath.rint(price) : StrictMath.rint(price / 5) * 5 - 1;
  }
}

package io.espalier.shop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * The generator as a program: {@code --out DIR [--seed N] [--users N] [--products N] [--pictures]
 * [--report [BEAUTY_DIR]]}.
 */
public final class ShopMain {
  private ShopMain() {}

  public static void main(String[] args) throws IOException {
    Path out = null;
    Path beauty = null;
    boolean report = false;
    boolean pictures = false;
    ShopConfig config = ShopConfig.defaults();
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "--out" -> out = Path.of(value(args, ++i));
        case "--seed" -> config = config.withSeed(Long.parseLong(value(args, ++i)));
        case "--users" -> config = config.withUsers(Integer.parseInt(value(args, ++i)));
        case "--products" -> config = config.withProducts(Integer.parseInt(value(args, ++i)));
        case "--pictures" -> pictures = true;
        case "--report" -> {
          report = true;
          if (i + 1 < args.length && !args[i + 1].startsWith("--")) {
            beauty = Path.of(args[++i]);
          }
        }
        default -> throw usage(args[i]);
      }
    }
    if (out == null && !report) {
      throw usage("");
    }
    long start = System.nanoTime();
    Shop shop = Shop.generate(config);
    if (out != null) {
      new ShopWriter(shop).write(out);
      System.out.printf(
          Locale.ROOT,
          "%s: %,d items, %,d users (%.1f s)%n",
          out,
          shop.items().size(),
          config.users(),
          (System.nanoTime() - start) / 1e9);
      if (pictures) {
        Path folder = Files.createDirectories(out.resolve("pictures"));
        ShopPictures drawer = new ShopPictures();
        for (Item item : shop.items()) {
          Files.writeString(folder.resolve(item.id() + ".svg"), drawer.draw(item));
        }
      }
    }
    if (report) {
      System.out.print(ShopReport.of(shop, beauty));
    }
  }

  private static String value(String[] args, int at) {
    if (at >= args.length) {
      throw usage(args[at - 1]);
    }
    return args[at];
  }

  private static IllegalArgumentException usage(String found) {
    return new IllegalArgumentException(
        "argument: "
            + found
            + " (expected: --out DIR [--seed N] [--users N] [--products N] [--pictures] [--report"
            + " [BEAUTY_DIR]])");
  }
}

package io.espalier.cli;

import io.espalier.cli.show.Terminal;
import io.espalier.shop.Shop;
import io.espalier.shop.ShopConfig;
import io.espalier.shop.ShopReport;
import io.espalier.shop.ShopWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code espalier shop}: writes the built-in shop. */
@Command(
    name = "shop",
    description = {
      "Generates the built-in shop: a catalogue, users whose taste drifts, a query log, judgments.",
      "Equal options give equal bytes on every machine."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  ./espalier shop --out my-shop",
      "  ./espalier shop --out big --products 20000 --users 100000 --seed 11",
      "  ./espalier shop --report --beauty ../shared/data/amazon-beauty    its shape beside a real"
          + " one"
    })
final class ShopCommand implements Callable<Integer> {
  private final Terminal terminal;
  private final Home home;

  @Option(
      names = "--out",
      paramLabel = "DIR",
      description =
          "Where the data folder is written (default: the default shop into .espalier/shop).")
  @Nullable Path out;

  @Option(names = "--seed", paramLabel = "N", description = "Where all randomness starts.")
  @Nullable Long seed;

  @Option(names = "--products", paramLabel = "N", description = "How many products, 500 to 50000.")
  @Nullable Integer products;

  @Option(names = "--users", paramLabel = "N", description = "How many users, 50 to 1000000.")
  @Nullable Integer users;

  @Option(
      names = "--report",
      description = "Print its lengths, skew and repeats as a table and write nothing.")
  boolean report;

  @Option(
      names = "--beauty",
      paramLabel = "DIR",
      description = "A real data folder to set beside it in --report.")
  @Nullable Path beauty;

  ShopCommand(Terminal terminal, Home home) {
    this.terminal = terminal;
    this.home = home;
  }

  @Override
  public Integer call() throws IOException {
    Path folder = out;
    if (report) {
      terminal.out().print(ShopReport.of(Shop.generate(config()), beauty));
    } else if (folder != null) {
      Shop shop = Shop.generate(config());
      write(shop, folder);
      terminal
          .out()
          .printf(
              Locale.ROOT,
              "%s: %,d products, %,d users%n",
              Home.shown(folder),
              shop.items().size(),
              shop.config().users());
    } else if (seed == null && products == null && users == null) {
      terminal.out().println(Home.shown(builtIn(home, terminal)));
    } else {
      throw new ProgramException(
          ExitCode.USAGE,
          "--out: missing (expected: a folder, beside --seed, --products or --users)");
    }
    return ExitCode.OK;
  }

  private ShopConfig config() {
    ShopConfig config = ShopConfig.defaults();
    Long givenSeed = seed;
    Integer givenProducts = products;
    Integer givenUsers = users;
    config = givenSeed == null ? config : config.withSeed(givenSeed);
    config = givenProducts == null ? config : config.withProducts(givenProducts);
    return givenUsers == null ? config : config.withUsers(givenUsers);
  }

  private static void write(Shop shop, Path folder) throws IOException {
    Files.createDirectories(folder);
    new ShopWriter(shop).write(folder);
  }

  /**
   * The built-in shop's folder, generated on first use and when the generator's version has
   * changed.
   */
  static Path builtIn(Home home, Terminal terminal) {
    Path folder = home.shop();
    Path stamp = folder.resolve("generator-version");
    String version = Integer.toString(Shop.VERSION);
    try {
      if (Files.exists(stamp) && Files.readString(stamp).equals(version)) {
        return folder;
      }
      terminal.err().println("generating the built-in shop into " + Home.shown(folder));
      terminal.err().flush();
      write(Shop.generate(ShopConfig.defaults()), folder);
      // Written last: an interrupted run is generated again.
      Files.writeString(stamp, version);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return folder;
  }
}

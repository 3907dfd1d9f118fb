package io.espalier.loadtest.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.espalier.loadtest.driver.Report;
import io.espalier.shop.Shop;
import io.espalier.shop.ShopConfig;
import io.espalier.shop.ShopWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/**
 * The measurement itself, briefly: real routers over stages that answer at once, so that what is
 * lost is lost between processes. On demand: eight processes want a machine that has room for them.
 */
@EnabledIfSystemProperty(named = "espalier.faults", matches = "true")
class FaultsIT {
  private static final Path ROOT = Path.of(System.getProperty("espalier.root"));

  @TempDir private Path folder = Path.of("");

  private Path shop = Path.of("");

  @BeforeEach
  void makeShop() throws IOException {
    Files.createDirectories(folder.resolve("scenarios"));
    shop = ROOT.resolve(".espalier/shop");
    if (!Files.exists(shop.resolve("generator-version"))) {
      shop = Files.createDirectories(folder.resolve("shop"));
      new ShopWriter(Shop.generate(ShopConfig.defaults())).write(shop);
    }
  }

  @Test
  void command_everyServerRestarted_losesNoRequest() {
    assertThat(run(ROOT.resolve("loadtest/faults"), "restart")).contains("restart: holds");
  }

  @Test
  void command_serversKilledAndFrozen_loseNoRequestWithTimeForASecondTry() throws IOException {
    Files.writeString(
        folder.resolve("scenarios/rough.yaml"),
        """
        what: one of each kind dies, then stands still
        links: [ranking-1]
        steps:
          - {deed: kill, on: [router-1], length: 1s}
          - {deed: kill, on: [retrieval-1], length: 1s}
          - {deed: freeze, on: [ranking-2], length: 2s}
          - {deed: cut, on: [ranking-1], length: 2s}
          - {deed: freeze, on: [router-2], length: 2s}
        """);
    assertThat(run(folder.resolve("scenarios"), "rough")).contains("rough: holds");
  }

  @Test
  void command_everyRankingServerAway_isFlagged() throws IOException {
    Files.writeString(
        folder.resolve("scenarios/away.yaml"),
        """
        what: the ranking stage is away
        replicas: {ranking: 1}
        steps:
          - {deed: kill, on: [ranking], length: 2s}
        """);
    assertThat(run(folder.resolve("scenarios"), "away"))
        .contains("away: holds")
        .contains("ranking FAILED");
  }

  private String run(Path scenarios, String name) {
    StringWriter text = new StringWriter();
    List<String> arguments = new ArrayList<>(List.of("--instant", "--rate", "40"));
    arguments.addAll(List.of("--warm-s", "5", "--quiet-s", "2", "--settle-s", "2"));
    arguments.addAll(List.of("--deadline-ms", "20000", "--server-heap", "256m"));
    arguments.addAll(List.of("--scenarios", scenarios.toString()));
    arguments.addAll(List.of("--data", shop.toString()));
    arguments.addAll(List.of("--model-repo", ROOT.resolve("model-repo").toString()));
    arguments.addAll(List.of("--out", folder.resolve("out").toString(), name));
    int code =
        new CommandLine(new FaultsCommand(new Report(new PrintWriter(text))))
            .execute(arguments.toArray(String[]::new));
    assertThat(code).as(text.toString()).isZero();
    assertThat(folder.resolve("out").resolve(name).resolve("histograms/requests.hlog"))
        .isRegularFile();
    return text.toString();
  }
}

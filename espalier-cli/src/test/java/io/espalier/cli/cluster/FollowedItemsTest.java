package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogChange;
import io.espalier.catalog.CatalogClient;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.catalog.CatalogItem;
import io.espalier.stores.catalog.DataFolder;
import io.grpc.ManagedChannel;
import io.opentelemetry.api.OpenTelemetry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FollowedItemsTest {
  // Calls that follow never end by themselves.
  private static final ServerConfig CONFIG = ServerConfig.of(Map.of("drain_timeout", "0s"));
  private static final Duration PATIENCE = Duration.ofMinutes(1);
  private static final String SEGMENT = "%020d.log".formatted(3);

  private final String name = UUID.randomUUID().toString();
  @TempDir private Path dir = Path.of("");
  private Deployment deployment;
  private ManagedChannel channel;
  private EspalierServer writer;

  @BeforeEach
  void start() throws IOException {
    Files.createDirectories(dir.resolve("repository/bundles"));
    Files.createDirectories(dir.resolve("data"));
    Files.writeString(dir.resolve("data/items.jsonl"), "{\"id\": \"a\"}\n{\"id\": \"b\"}\n");
    deployment =
        new Deployment(
            BundleRepository.open(dir.resolve("repository")),
            DataFolder.open(dir.resolve("data")),
            List.of());
    channel = ClientChannels.open("in-process:" + name);
    writer = startWriter();
  }

  @AfterEach
  void close() {
    channel.shutdownNow();
    writer.close();
  }

  private EspalierServer startWriter() throws IOException {
    return new StageServers(deployment, dir.resolve("none"))
        .catalog(CONFIG, dir.resolve("log").toString())
        .buildInProcess(name)
        .start();
  }

  /** An offset that is given twice brings back what the first change at it had changed. */
  @Test
  void item_logLostTheChangeAndGrewAgain_isTheLogs() throws Exception {
    Path segment = dir.resolve("log").resolve(SEGMENT);
    try (FollowedItems items =
        new FollowedItems(
            deployment.data(), channel, null, OpenTelemetry.noop().getMeter("test"))) {
      upsert("a", "one");
      awaitTitle(items, "a", "one");
      byte[] older = Files.readAllBytes(segment);
      upsert("a", "two");
      awaitTitle(items, "a", "two");

      writer.close();
      Files.write(segment, older);
      writer = startWriter();
      upsert("b", "three");
      upsert("b", "four");

      awaitTitle(items, "b", "four");
      assertThat(items.item("a").orElseThrow().title()).isEqualTo("one");
    }
  }

  private static void awaitTitle(FollowedItems items, String id, String title) {
    await()
        .atMost(PATIENCE)
        .until(() -> items.item(id).filter(item -> item.title().equals(title)).isPresent());
  }

  private void upsert(String id, String title) throws Exception {
    CatalogItem item =
        new CatalogItem(
            id,
            title,
            "",
            List.of(),
            "",
            OptionalDouble.empty(),
            Map.of(),
            "",
            OptionalLong.empty());
    // Not the channel that may still be waiting for a writer.
    ManagedChannel own = ClientChannels.open("in-process:" + name);
    try {
      CatalogClient.Outcome outcome =
          new CatalogClient(own).send(List.of(new CatalogChange.Upsert(item, Map.of())));
      assertThat(outcome.refused()).isEmpty();
    } finally {
      own.shutdownNow();
    }
  }
}

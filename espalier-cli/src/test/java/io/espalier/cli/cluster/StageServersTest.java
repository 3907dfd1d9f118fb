package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.CatalogFollower;
import io.espalier.catalog.LogPlace;
import io.espalier.catalog.LoggedChange;
import io.espalier.catalog.SnapshotSettings;
import io.espalier.server.ClientChannels;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.log.FileLog;
import io.grpc.ManagedChannel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StageServersTest {
  @TempDir private Path dir = Path.of("");
  private StageServers servers;

  @BeforeEach
  void deploy() throws IOException {
    Files.createDirectories(dir.resolve("repository/bundles"));
    Files.createDirectories(dir.resolve("data"));
    Files.writeString(dir.resolve("data/items.jsonl"), "{\"id\": \"a\"}\n{\"id\": \"b\"}\n");
    Deployment deployment =
        new Deployment(
            BundleRepository.open(dir.resolve("repository")),
            DataFolder.open(dir.resolve("data")),
            List.of());
    servers = new StageServers(deployment, dir.resolve("none"));
  }

  @Test
  void catalog_snapshotStoreDoesNotOpen_letsGoOfTheLog() throws IOException {
    Path cache = Files.createFile(dir.resolve("a file"));

    assertThatThrownBy(() -> catalog(withSnapshots(cache)))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("a file");

    FileLog.open(dir.resolve("log"), 3).close();
    catalog(withSnapshots(dir.resolve("cache"))).close();
    catalog(servers).close();
  }

  /** A planned restart: nobody waits for those who would follow for ever. */
  @Test
  void catalog_closedWhileItIsFollowed_doesNotWaitOutItsDrain() throws Exception {
    EspalierServer writer =
        servers
            .catalog(
                ServerConfig.of(
                    Map.of("drain_timeout", "10m", "propagation_delay", "1ms", "port", "0")),
                dir.resolve("log").toString())
            .build()
            .start();
    ManagedChannel channel = ClientChannels.open(writer.target());
    try (CatalogFollower follower =
        CatalogFollower.start(
            channel,
            new LogPlace(2, 0),
            new CatalogFollower.Listener() {
              @Override
              public void changed(List<LoggedChange> changes) {}

              @Override
              public void published(long offset) {}

              @Override
              public Optional<LogPlace> restart(long least) {
                return Optional.empty();
              }
            })) {
      await().atMost(Duration.ofMinutes(1)).until(() -> follower.hasBeenWithin(0));
      Thread closing = Thread.ofPlatform().start(writer::close);
      assertThat(closing.join(Duration.ofMinutes(2))).isTrue();
    } finally {
      channel.shutdownNow();
      writer.close();
    }
  }

  private StageServers withSnapshots(Path cache) throws IOException {
    return servers.withSnapshots(
        new SnapshotFolders(
            FolderBlobs.open(dir.resolve("store")), cache, SnapshotSettings.defaults()));
  }

  private EspalierServer catalog(StageServers of) throws IOException {
    EspalierServer server =
        of.catalog(ServerConfig.defaults(), dir.resolve("log").toString())
            .buildInProcess(UUID.randomUUID().toString())
            .start();
    assertThat(server.unready()).isEmpty();
    return server;
  }
}

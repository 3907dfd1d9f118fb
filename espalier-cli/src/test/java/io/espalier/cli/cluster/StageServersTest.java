package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.bundles.BundleRepository;
import io.espalier.catalog.SnapshotSettings;
import io.espalier.server.EspalierServer;
import io.espalier.server.ServerConfig;
import io.espalier.stores.blobs.FolderBlobs;
import io.espalier.stores.catalog.DataFolder;
import io.espalier.stores.log.FileLog;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
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

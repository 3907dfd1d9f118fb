package io.espalier.stores.s3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.stores.blobs.BlobStore;
import io.espalier.stores.blobs.BlobStoreContract;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

class S3BlobsTest extends BlobStoreContract {
  private static final AtomicInteger PREFIXES = new AtomicInteger();
  private static final StaticCredentialsProvider WRITER = credentials("secret");

  @TempDir static Path folder;
  private static ObjectServer server;
  private static S3Client client;

  @BeforeAll
  static void startServer() throws Exception {
    server = ObjectServer.start(folder);
    client =
        S3Client.builder()
            .credentialsProvider(WRITER)
            .httpClient(UrlConnectionHttpClient.create())
            .endpointOverride(server.address("bucket").endpointUri())
            .forcePathStyle(true)
            .region(Region.US_EAST_1)
            .build();
    client.createBucket(request -> request.bucket("bucket"));
  }

  @AfterAll
  static void stopServer() {
    client.close();
    server.close();
  }

  private static StaticCredentialsProvider credentials(String secret) {
    return StaticCredentialsProvider.create(AwsBasicCredentials.create("writer", secret));
  }

  @Override
  protected BlobStore open() throws IOException {
    return S3Blobs.open(server.address("bucket/snapshots/" + PREFIXES.incrementAndGet()), WRITER);
  }

  @Test
  void get_damagedInTheStore_isRefusedAndLeavesTheFile() throws IOException {
    S3Address address = server.address("bucket/damaged");
    Path file = Files.write(directory.resolve("file"), new byte[] {1, 2});
    try (BlobStore blobs = S3Blobs.open(address, WRITER)) {
      blobs.put("a", file);
      Map<String, String> kept =
          client.headObject(request -> request.bucket("bucket").key("damaged/a")).metadata();
      client.putObject(
          request -> request.bucket("bucket").key("damaged/a").metadata(kept),
          RequestBody.fromBytes(new byte[] {1, 3}));

      assertThatThrownBy(() -> blobs.get("a", file))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("damaged/ at http")
          .hasMessageContaining("(expected: " + kept.get("sha256"));
      assertThat(file).hasBinaryContent(new byte[] {1, 2});
    }
  }

  @Test
  void open_wrongSecret_isDenied() {
    assertThatThrownBy(() -> S3Blobs.open(server.address("bucket"), credentials("guess")))
        .isInstanceOf(AccessDeniedException.class)
        .hasMessageContaining("s3://bucket/ at http")
        .hasMessageContaining("403 SignatureDoesNotMatch");
  }

  @Test
  void open_noSuchBucket_saysSo() {
    assertThatThrownBy(() -> S3Blobs.open(server.address("elsewhere"), WRITER))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("s3://elsewhere/")
        .hasMessageContaining("404 NoSuchBucket");
  }

  @Test
  void open_nobodyListens_saysSo() {
    S3Address nowhere = S3Address.parse("s3://bucket?endpoint=http://127.0.0.1:1");
    assertThatThrownBy(() -> S3Blobs.open(nowhere, WRITER))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("s3://bucket/ at http://127.0.0.1:1: \"\": no answer: ");
  }

  @Test
  void operations_serverGoes_fail(@TempDir Path other) throws Exception {
    Path file = Files.write(directory.resolve("file"), new byte[] {1});
    ObjectServer going = ObjectServer.start(other);
    Files.createDirectories(other.resolve("data/bucket"));
    try (BlobStore blobs = S3Blobs.open(going.address("bucket"), WRITER)) {
      blobs.put("a", file);
      going.close();

      assertThatThrownBy(() -> blobs.put("a", file)).hasMessageContaining("no answer");
      assertThatThrownBy(() -> blobs.get("a", file)).hasMessageContaining("no answer");
      assertThatThrownBy(() -> blobs.list("")).hasMessageContaining("no answer");
      assertThatThrownBy(() -> blobs.delete("a")).hasMessageContaining("no answer");
      assertThat(file).hasBinaryContent(new byte[] {1});
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "s3://",
        "s3:/bucket",
        "s3://UPPER",
        "s3://bucket?endpoint=127.0.0.1:9000",
        "s3://bucket?endpoint=ftp://host",
        "s3://bucket?endpont=http://host",
        "s3://bucket/a/../b",
        "s3://bucket/a b"
      })
  void parse_badAddress_namesItAndTheForm(String address) {
    assertThatThrownBy(() -> S3Address.parse(address))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("\"" + address + "\" (expected: ");
  }

  @Test
  void parse_address_findsItsParts() {
    assertThat(S3Address.parse("s3://bucket/a/b/?region=eu-west-1&endpoint=https://host:9000"))
        .isEqualTo(new S3Address("bucket", "a/b/", "https://host:9000", "eu-west-1"));
    assertThat(S3Address.parse("s3://bucket")).isEqualTo(new S3Address("bucket", "", "", ""));
  }
}

package io.espalier.stores.s3;

import io.espalier.stores.blobs.BlobStore;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.core.ResponseInputStream;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Request;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;

/**
 * Blobs in a bucket of an object store that speaks S3, up to 5 GB each.
 *
 * <p>A put says the content's MD5, by which the store refuses what was damaged on the way, and
 * keeps its SHA-256 beside it, by which a get does. Who this is comes from the environment, as
 * Amazon's tools have it.
 */
public final class S3Blobs implements BlobStore {
  // A store may give the body of one object with the metadata of the next that takes its place.
  private static final int TRIES = 3;
  private static final String SHA256 = "sha256";
  private static final Duration CONNECT = Duration.ofSeconds(5);
  private static final Duration SILENCE = Duration.ofSeconds(30);

  private final S3Address address;
  private final S3Client client;

  private S3Blobs(S3Address address, S3Client client) {
    this.address = address;
    this.client = client;
  }

  /**
   * The blobs at an address.
   *
   * @throws IOException when they cannot be listed
   */
  public static S3Blobs open(S3Address address) throws IOException {
    return open(address, DefaultCredentialsProvider.builder().build());
  }

  static S3Blobs open(S3Address address, AwsCredentialsProvider credentials) throws IOException {
    S3ClientBuilder builder =
        S3Client.builder()
            .credentialsProvider(credentials)
            // Stores other than Amazon's know no other checksum than MD5 for certain.
            .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
            .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
            .httpClientBuilder(
                UrlConnectionHttpClient.builder()
                    .connectionTimeout(CONNECT)
                    .socketTimeout(SILENCE));
    if (!address.endpoint().isEmpty()) {
      builder.endpointOverride(address.endpointUri()).forcePathStyle(true).region(Region.US_EAST_1);
    }
    if (!address.region().isEmpty()) {
      builder.region(Region.of(address.region()));
    }
    S3Client client;
    try {
      client = builder.build();
    } catch (SdkException e) {
      throw new IOException(address + ": " + e.getMessage(), e);
    }
    S3Blobs blobs = new S3Blobs(address, client);
    try {
      client.listObjectsV2(blobs.listing("").toBuilder().maxKeys(1).build());
      return blobs;
    } catch (SdkException e) {
      client.close();
      throw blobs.failure("", e);
    }
  }

  private String at(String key) {
    return address.prefix() + BlobStore.checked(key);
  }

  @Override
  public void put(String key, Path file) throws IOException {
    String at = at(key);
    MessageDigest md5 = digest("MD5");
    MessageDigest sha = digest("SHA-256");
    try (InputStream content =
        new DigestInputStream(new DigestInputStream(Files.newInputStream(file), md5), sha)) {
      content.transferTo(OutputStream.nullOutputStream());
    }
    try {
      client.putObject(
          request ->
              request
                  .bucket(address.bucket())
                  .key(at)
                  .contentMD5(Base64.getEncoder().encodeToString(md5.digest()))
                  .metadata(Map.of(SHA256, HexFormat.of().formatHex(sha.digest()))),
          RequestBody.fromFile(file));
    } catch (SdkException e) {
      throw failure(key, e);
    }
  }

  @Override
  public void get(String key, Path file) throws IOException {
    String at = at(key);
    String wrong;
    try {
      wrong = fetch(at, file);
      for (int tries = 1; !wrong.isEmpty() && tries < TRIES; tries++) {
        wrong = fetch(at, file);
      }
    } catch (SdkException e) {
      throw failure(key, e);
    }
    if (!wrong.isEmpty()) {
      throw new IOException("%s: %s: %s".formatted(address, key, wrong));
    }
  }

  /** Fetches an object; says what is wrong with what came, and leaves the file as it was then. */
  private String fetch(String at, Path file) throws IOException {
    Path beside = file.resolveSibling("~" + UUID.randomUUID());
    MessageDigest sha = digest("SHA-256");
    try (ResponseInputStream<GetObjectResponse> content =
        client.getObject(request -> request.bucket(address.bucket()).key(at))) {
      Files.copy(new DigestInputStream(content, sha), beside);
      String found = HexFormat.of().formatHex(sha.digest());
      String expected = content.response().metadata().getOrDefault(SHA256, found);
      if (!found.equals(expected)) {
        return "SHA-256 %s (expected: %s)".formatted(found, expected);
      }
      try (FileChannel channel = FileChannel.open(beside, StandardOpenOption.WRITE)) {
        channel.force(true);
      }
      Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE);
      return "";
    } finally {
      Files.deleteIfExists(beside);
    }
  }

  private static MessageDigest digest(String name) {
    try {
      return MessageDigest.getInstance(name);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public List<String> list(String prefix) throws IOException {
    try {
      List<String> keys = new ArrayList<>();
      for (S3Object object : client.listObjectsV2Paginator(listing(prefix)).contents()) {
        String key = object.key().substring(address.prefix().length());
        if (KEY.matcher(key).matches()) {
          keys.add(key);
        }
      }
      keys.sort(null);
      return keys;
    } catch (SdkException e) {
      throw failure(prefix, e);
    }
  }

  private ListObjectsV2Request listing(String prefix) {
    return ListObjectsV2Request.builder()
        .bucket(address.bucket())
        .prefix(address.prefix() + prefix)
        .build();
  }

  @Override
  public void delete(String key) throws IOException {
    String at = at(key);
    try {
      client.deleteObject(request -> request.bucket(address.bucket()).key(at));
    } catch (SdkException e) {
      throw failure(key, e);
    }
  }

  private IOException failure(String key, SdkException failure) {
    IOException told;
    if (!(failure instanceof S3Exception answer)) {
      return new IOException(
          "%s: \"%s\": no answer: %s".formatted(address, key, failure.getMessage()), failure);
    }
    String code = answer.awsErrorDetails() == null ? "" : answer.awsErrorDetails().errorCode();
    String why = answer.statusCode() + " " + code + ": " + answer.getMessage();
    if (answer.statusCode() == 404 && !"NoSuchBucket".equals(code)) {
      told = new NoSuchFileException(key, null, "not among the blobs of " + address);
    } else if (answer.statusCode() == 401 || answer.statusCode() == 403) {
      told = new AccessDeniedException(address.toString(), key, why);
    } else {
      told = new IOException("%s: \"%s\": %s".formatted(address, key, why));
    }
    told.initCause(failure);
    return told;
  }

  @Override
  public void close() {
    client.close();
  }

  @Override
  public String toString() {
    return address.toString();
  }
}

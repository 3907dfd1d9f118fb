package io.espalier.router;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import io.espalier.admin.v1.RecordedAnswer;
import io.espalier.admin.v1.RecordedRequest;
import io.espalier.events.v1.Event;
import io.espalier.events.v1.EventKind;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.ResultItem;
import io.espalier.router.v1.ResultPage;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes some requests and what they were answered with to files, a JSON object of {@link
 * RecordedRequest} a line.
 *
 * <p>A user's id is a keyed hash whose key nobody keeps; what he dealt with is in the request, so
 * that it stands for itself. Page tokens, the caller's context and his credentials are left out. A
 * request waits for nothing: what the disk is too slow for is dropped.
 */
final class Recorder implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Recorder.class);
  private static final int QUEUED = 1024;
  private static final int FILES = 4;
  private static final String PREFIX = "recording-";
  private static final String SUFFIX = ".jsonl";
  private static final int PSEUDONYM_BYTES = 12;
  private static final long POLL_MILLIS = 200;

  private final Path folder;
  private final RecordingConfig config;
  private final InstantSource clock;
  private final JsonFormat.Printer printer =
      JsonFormat.printer().omittingInsignificantWhitespace().preservingProtoFieldNames();
  private final byte[] key = new byte[32];
  private final BlockingQueue<RecordedRequest> queue = new ArrayBlockingQueue<>(QUEUED);
  private final Thread thread;
  private volatile boolean closed;
  private Path file;
  private long named;
  private long bytes;

  private Recorder(Path folder, RecordingConfig config, InstantSource clock) {
    this.folder = folder;
    this.config = config;
    this.clock = clock;
    this.file = folder;
    this.bytes = Long.MAX_VALUE;
    new SecureRandom().nextBytes(key);
    this.thread = Thread.ofPlatform().daemon().name("recorder").unstarted(this::run);
  }

  /**
   * Starts to record.
   *
   * @throws IOException when the folder cannot be made
   */
  static Recorder start(RecordingConfig config, InstantSource clock) throws IOException {
    Recorder recorder =
        new Recorder(Files.createDirectories(Path.of(config.folder())), config, clock);
    recorder.thread.start();
    return recorder;
  }

  /**
   * Perhaps records a request; takes microseconds.
   *
   * @param seen what the user had dealt with
   */
  void offer(Question question, List<String> seen, ResultPage page, long nanos) {
    if (ThreadLocalRandom.current().nextDouble() >= config.share()) {
      return;
    }
    RecordedRequest.Builder request =
        RecordedRequest.newBuilder()
            .setReceivedMs(clock.millis() - TimeUnit.NANOSECONDS.toMillis(nanos))
            .setAnswer(answer(page, nanos));
    User user = user(question.user(), seen);
    ListOptions options =
        question.options().toBuilder()
            .clearPageToken()
            .clearContext()
            .clearExplanation()
            .clearMinCatalogOffset()
            .build();
    if (question.kind() == Route.Kind.SEARCH) {
      request.setSearch(
          SearchRequest.newBuilder().setQuery(question.query()).setUser(user).setOptions(options));
    } else {
      request.setRecommend(RecommendRequest.newBuilder().setUser(user).setOptions(options));
    }
    // A full queue is a slow disk: the request is not recorded.
    var unused = queue.offer(request.build());
  }

  private User user(User user, List<String> seen) {
    User.Builder known = User.newBuilder();
    if (!user.getId().isEmpty()) {
      known.setId(pseudonym(user.getId()));
    }
    for (String item : seen) {
      known.addRecentEvents(Event.newBuilder().setItemId(item).setKind(EventKind.EVENT_KIND_CLICK));
    }
    return known.build();
  }

  private String pseudonym(String id) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      byte[] hash = mac.doFinal(id.getBytes(StandardCharsets.UTF_8));
      return "p-" + HexFormat.of().formatHex(hash, 0, PSEUDONYM_BYTES);
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every Java has HmacSHA256", e);
    }
  }

  private static RecordedAnswer answer(ResultPage page, long nanos) {
    RecordedAnswer.Builder answer =
        RecordedAnswer.newBuilder()
            .setRoute(page.getRoute())
            .setArm(page.getArm())
            .addAllBundles(page.getBundlesList())
            .setDurationMicros(TimeUnit.NANOSECONDS.toMicros(nanos))
            .setDegraded(page.getDegradationsCount() > 0)
            .setCatalogOffset(page.getCatalogOffset());
    for (ResultItem item : page.getItemsList()) {
      answer.addItems(item.getItemId()).addScores(item.getScore());
    }
    return answer.build();
  }

  private void run() {
    try {
      while (!closed || !queue.isEmpty()) {
        RecordedRequest request = queue.poll(POLL_MILLIS, TimeUnit.MILLISECONDS);
        if (request != null) {
          write(request);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void write(RecordedRequest request) {
    try {
      byte[] line = (printer.print(request) + "\n").getBytes(StandardCharsets.UTF_8);
      if (bytes > config.maxBytes() / FILES - line.length) {
        // Two of one millisecond are two all the same.
        named = Math.max(clock.millis(), named + 1);
        file = folder.resolve(PREFIX + "%014d".formatted(named) + SUFFIX);
        bytes = Files.exists(file) ? Files.size(file) : 0;
        dropOld();
      }
      Files.write(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      bytes += line.length;
    } catch (InvalidProtocolBufferException e) {
      throw new AssertionError("every recorded request has a JSON form", e);
    } catch (IOException e) {
      // Another file may go; requests are answered all the same.
      bytes = Long.MAX_VALUE;
      log.warn("{}: a request was not recorded", file, e);
    }
  }

  private void dropOld() throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.list(folder)) {
      files =
          all.filter(
                  path ->
                      path.getFileName().toString().startsWith(PREFIX)
                          && path.getFileName().toString().endsWith(SUFFIX))
              .sorted()
              .toList();
    }
    for (int old = 0; old < files.size() - FILES + 1; old++) {
      Files.deleteIfExists(files.get(old));
    }
  }

  /** Writes what is queued, and stops. */
  @Override
  public void close() {
    closed = true;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}

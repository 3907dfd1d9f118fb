package io.espalier.stores.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What every {@link RecordLog} does. */
public abstract class RecordLogContract {
  private static final long FIRST = 11;

  private RecordLog log;

  /** Opens the log of this test, which lasts as long as the test, or begins it. */
  protected abstract RecordLog open(long first) throws IOException;

  @BeforeEach
  void openLog() throws IOException {
    log = open(FIRST);
  }

  @AfterEach
  void closeLog() {
    log.close();
  }

  private void reopen() throws IOException {
    log.close();
    log = open(1);
  }

  @Test
  void open_new_isEmpty() throws Exception {
    assertThat(log.start()).isEqualTo(FIRST);
    assertThat(log.end()).isEqualTo(FIRST - 1);
    assertThat(log.read(FIRST, 100)).isEmpty();
    assertThat(log.read(FIRST + 5, 100)).isEmpty();
    assertThat(log.await(FIRST - 1, Duration.ZERO)).isTrue();
    assertThat(log.await(FIRST, Duration.ofMillis(1))).isFalse();
    assertThat(log.append(List.of())).isEqualTo(FIRST - 1);
  }

  @Test
  void append_thenReopen_givesTheSameRecords() throws IOException {
    assertThat(log.append(List.of(bytes("a"), bytes(""), bytes("c")))).isEqualTo(FIRST + 2);
    reopen();

    assertThat(log.start()).isEqualTo(FIRST);
    assertThat(log.end()).isEqualTo(FIRST + 2);
    assertThat(log.append(List.of(bytes("d")))).isEqualTo(FIRST + 3);
    assertThat(log.read(FIRST, 1000))
        .containsExactly(
            record(FIRST, "a"),
            record(FIRST + 1, ""),
            record(FIRST + 2, "c"),
            record(FIRST + 3, "d"));
    assertThat(log.read(FIRST + 4, 1000)).isEmpty();
  }

  @Test
  void read_beforeTheStart_isRefused() {
    log.append(List.of(bytes("a")));

    assertThatThrownBy(() -> log.read(FIRST - 1, 100))
        .isInstanceOf(LogException.class)
        .hasMessageContaining("offset 10 (expected: from 11 on)");
  }

  @Test
  void operations_random_doAsAListWould() throws IOException {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    List<LogRecord> expected = new ArrayList<>();
    for (int step = 0; step < 200; step++) {
      long end = FIRST - 1 + expected.size();
      switch (random.nextInt(12)) {
        case 0 -> reopen();
        case 1 -> {
          long before = log.start();
          long drop = FIRST + random.nextInt(expected.size() + 2);
          log.dropBefore(drop);
          assertThat(log.start()).isBetween(before, Math.max(before, drop));
        }
        case 2, 3, 4, 5, 6 -> {
          List<byte[]> batch = new ArrayList<>();
          for (int n = random.nextInt(5); n > 0; n--) {
            batch.add(new byte[random.nextInt(4) == 0 ? 0 : random.nextInt(2000)]);
            random.nextBytes(batch.getLast());
            long offset = FIRST + expected.size();
            expected.add(new LogRecord(offset, ByteBuffer.wrap(batch.getLast())));
          }
          end += batch.size();
          assertThat(log.append(batch)).isEqualTo(end);
        }
        default -> {
          long from = log.start() + random.nextInt(Math.toIntExact(end - log.start() + 3));
          int most = random.nextInt(6000);
          assertThat(log.read(from, most)).isEqualTo(read(expected, from, most));
        }
      }
      assertThat(log.end()).as("step %d", step).isEqualTo(end);
      assertThat(log.start()).isBetween(FIRST, end + 1);
    }
    for (long next = log.start(); next <= log.end(); next++) {
      assertThat(log.read(next, 0)).startsWith(expected.get((int) (next - FIRST)));
    }
  }

  private static List<LogRecord> read(List<LogRecord> all, long from, int most) {
    List<LogRecord> found = new ArrayList<>();
    int bytes = 0;
    for (LogRecord record : all) {
      if (record.offset() >= from) {
        bytes += record.payload().remaining();
        if (bytes > most && !found.isEmpty()) {
          break;
        }
        found.add(record);
      }
    }
    return found;
  }

  @Test
  void append_byManyThreads_numbersEachOnce() throws Exception {
    List<Future<Long>> offsets = new ArrayList<>();
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      for (int i = 0; i < 200; i++) {
        String text = "record " + i;
        offsets.add(threads.submit(() -> log.append(List.of(bytes(text)))));
      }
    }
    assertThat(log.end()).isEqualTo(FIRST + 199);
    for (int i = 0; i < 200; i++) {
      long offset = offsets.get(i).get();
      assertThat(log.read(offset, 0)).containsExactly(record(offset, "record " + i));
    }
  }

  @Test
  void await_recordToCome_isToldOfIt() throws Exception {
    try (ExecutorService threads = Executors.newFixedThreadPool(1)) {
      Future<Boolean> told = threads.submit(() -> log.await(FIRST + 1, Duration.ofMinutes(1)));
      log.append(List.of(bytes("a")));
      log.append(List.of(bytes("b")));
      assertThat(told.get()).isTrue();
    }
  }

  @Test
  void dropBefore_evenAll_keepsTheEnd() throws IOException {
    for (int i = 0; i < 20; i++) {
      log.append(List.of(bytes("record " + i)));
    }
    log.dropBefore(FIRST + 100);
    reopen();

    assertThat(log.end()).isEqualTo(FIRST + 19);
    assertThat(log.append(List.of(bytes("next")))).isEqualTo(FIRST + 20);
    assertThat(log.read(FIRST + 20, 0)).containsExactly(record(FIRST + 20, "next"));
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static LogRecord record(long offset, String text) {
    return new LogRecord(offset, ByteBuffer.wrap(bytes(text)));
  }
}

package io.espalier.stores.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileLogTest extends RecordLogContract {

  @TempDir Path folder;

  @Override
  protected RecordLog open(long first) {
    return FileLog.open(folder, first);
  }

  @Test
  void open_heldByAnother_isRefused(@TempDir Path dir) {
    try (FileLog log = FileLog.open(dir, 1)) {
      assertThatThrownBy(() -> FileLog.open(dir, 1)).hasMessageContaining("held by another log");
      assertThat(log.append(List.of(payload(1)))).isEqualTo(1);
    }
  }

  @Test
  void open_heldByThisProcess_leavesTheLockToIt(@TempDir Path dir) throws Exception {
    try (FileLog log = FileLog.open(dir, 1)) {
      assertThatThrownBy(() -> FileLog.open(dir.resolve("../" + dir.getFileName()), 1))
          .hasMessageContaining("held by another log");

      assertThat(inAnotherProcess(dir)).contains("held by another log");
      assertThat(log.append(List.of(payload(1)))).isEqualTo(1);
    }
    assertThat(inAnotherProcess(dir)).isEqualTo("opened");
  }

  private static String inAnotherProcess(Path dir) throws IOException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Opener.class.getName(),
                dir.toString())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
  }

  /** Opens a log and says what came of it. */
  static final class Opener {
    private Opener() {}

    public static void main(String[] args) {
      try (FileLog log = FileLog.open(Path.of(args[0]), 1)) {
        System.out.print(log.end() >= 0 ? "opened" : "");
      } catch (LogException e) {
        System.out.print(e.getMessage());
      }
    }
  }

  @Test
  void open_markIsRotten_losesNothing() {
    Random random = new Random(6);
    for (int round = 0; round < 300; round++) {
      PowerlessFiles files = new PowerlessFiles(random);
      FileLog log = open(files);
      int records = random.nextInt(4);
      for (int i = 1; i <= records; i++) {
        log.append(List.of(payload(i)));
      }
      int size = files.size(Segment.name(1));
      files.flip(Segment.name(1), 8 * size - 1 - random.nextInt(8 * Frame.HEADER));

      assertSound(open(files), 1, records);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "abcdefghijabcdefghij.log",
        "99999999999999999999.log",
        "00000000000000000001.log.bak",
        "-0000000000000000001.log",
        "000000000000000001.log"
      })
  void open_strayFile_isLeftAlone(String name, @TempDir Path dir) throws IOException {
    Path stray = Files.writeString(dir.resolve(name), "not ours");
    for (int i = 1; i <= 3; i++) {
      try (FileLog log = FileLog.open(dir, 1)) {
        assertThat(log.append(List.of(payload(i)))).isEqualTo(i);
        assertSound(log, 1, i);
      }
    }
    assertThat(stray).hasContent("not ours");
  }

  @Test
  void read_recordRottenMeanwhile_namesFolderFileAndRecord(@TempDir Path dir) throws IOException {
    try (FileLog log = FileLog.open(dir, 1)) {
      log.append(List.of(payload(1), payload(2)));
      Path segment = dir.resolve(Segment.name(1));
      byte[] bytes = Files.readAllBytes(segment);
      bytes[Frame.HEADER] ^= 1;
      Files.write(segment, bytes);

      assertThatThrownBy(() -> log.read(1, 100))
          .isInstanceOf(LogException.class)
          .hasMessage(segment + ": record 1 at 0 does not verify");
    }
  }

  @Test
  void append_powerIsCutAnywhere_losesNoAcknowledgedRecord() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    int cuts = 0;
    for (int round = 0; cuts < 3000; round++) {
      Random random = new Random(seed + round);
      PowerlessFiles files = new PowerlessFiles(random);
      long acknowledged = 0;
      long dropped = 1;
      for (int life = 0; life < 6; life++) {
        files.cutAfter(1 + random.nextInt(200));
        try {
          FileLog log = open(files);
          assertThat(log.end()).as("seed %d", seed + round).isGreaterThanOrEqualTo(acknowledged);
          while (true) {
            List<byte[]> records = new ArrayList<>();
            for (int n = 1 + random.nextInt(4); n > 0; n--) {
              records.add(payload(log.end() + 1 + records.size()));
            }
            acknowledged = log.append(records);
            if (random.nextInt(20) == 0) {
              dropped = Math.max(dropped, log.end() - random.nextInt(20));
              log.dropBefore(dropped);
            }
          }
        } catch (PowerlessFiles.PowerCut e) {
          cuts++;
        }
        files.restore();
        FileLog log = open(files);
        assertThat(log.end()).as("seed %d", seed + round).isGreaterThanOrEqualTo(acknowledged);
        assertThat(log.start()).isLessThanOrEqualTo(Math.max(dropped, 1));
        assertSound(log, log.start(), log.end());
      }
    }
  }

  @Test
  void open_bitsFlipInForcedRecords_isAnErrorThatLosesNothing() {
    Random random = new Random(3);
    int refused = 0;
    for (int round = 0; round < 500; round++) {
      PowerlessFiles files = new PowerlessFiles(random);
      FileLog log = open(files);
      // Singly, in one batch, or the last few in one.
      int singly = random.nextInt(41);
      for (int i = 1; i <= singly; i++) {
        log.append(List.of(payload(i)));
      }
      log.append(LongStream.rangeClosed(singly + 1, 40).mapToObj(FileLogTest::payload).toList());
      String name = Segment.name(1);
      // In any record; not in the mark after the last.
      files.flip(name, random.nextInt(8 * (files.size(name) - Frame.HEADER)));
      byte[] before = files.bytes(name);
      assertThatThrownBy(() -> open(files))
          .isInstanceOf(LogException.class)
          .hasMessageContaining("does not verify");
      assertThat(files.bytes(name)).isEqualTo(before);
      refused++;
    }
    assertThat(refused).isEqualTo(500);
  }

  @Test
  void open_failsAnywhere_leavesNoFileOpen() {
    long seed = System.nanoTime();
    System.out.println("seed: " + seed);
    Random random = new Random(seed);
    int failures = 0;
    for (int round = 0; round < 1000; round++) {
      PowerlessFiles files = new PowerlessFiles(random);
      if (round % 10 > 0) {
        try (FileLog log = open(files)) {
          for (int i = 1; i <= 200; i++) {
            log.append(List.of(payload(i)));
          }
        }
        if (random.nextBoolean()) {
          files.flip(Segment.name(1), random.nextInt(8 * files.size(Segment.name(1))));
        }
      }
      files.cutAfter(random.nextInt(round % 10 > 0 ? 600 : 6));
      try {
        open(files).close();
      } catch (PowerlessFiles.PowerCut | LogException e) {
        failures++;
      }
      assertThat(files.open()).as("seed %d, round %d", seed, round).isZero();
    }
    assertThat(failures).isGreaterThan(300);
  }

  @Test
  void append_diskIsFull_failsAndGoesOnWithRoom() {
    Random random = new Random(4);
    for (int round = 0; round < 300; round++) {
      PowerlessFiles files = new PowerlessFiles(random);
      FileLog log = open(files);
      log.append(List.of(payload(1)));
      files.room(random.nextInt(100));
      assertThatThrownBy(() -> log.append(List.of(new byte[200])))
          .isInstanceOf(LogException.class)
          .hasMessageContaining("cannot be written");
      files.room(Long.MAX_VALUE);
      assertThat(log.append(List.of(payload(2)))).isEqualTo(2);
      assertSound(open(files), 1, 2);
    }
  }

  @Test
  void dropBefore_manySegments_keepsWhatIsAfter() {
    FileLog log = open(new PowerlessFiles(new Random(5)));
    for (int i = 1; i <= 500; i++) {
      log.append(List.of(payload(i)));
    }
    log.dropBefore(300);

    assertThat(log.start()).isBetween(200L, 300L);
    assertSound(log, log.start(), 500);
  }

  private static FileLog open(PowerlessFiles files) {
    return files.openLog(1);
  }

  private static void assertSound(RecordLog log, long from, long to) {
    long next = from;
    while (next <= to) {
      List<LogRecord> records = log.read(next, 300);
      assertThat(records).isNotEmpty();
      for (LogRecord record : records) {
        assertThat(record.offset()).isEqualTo(next);
        byte[] bytes = new byte[record.payload().remaining()];
        record.payload().get(bytes);
        assertThat(bytes).isEqualTo(payload(next));
        next++;
      }
    }
    assertThat(log.end()).isEqualTo(to);
  }

  private static byte[] payload(long offset) {
    return ("record " + offset + " ").repeat((int) (offset % 7)).getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void readAll_whileAnotherWrites_givesEveryRecordOnce(@TempDir Path place) {
    try (FileLog log = FileLog.open(place, 5)) {
      List<LogRecord> read = new ArrayList<>();
      FileLog.readAll(place, read::add);
      assertThat(read).isEmpty();
      for (int i = 0; i < 100; i++) {
        log.append(List.of(new byte[] {(byte) i}, new byte[1 << 17]));
      }
      FileLog.readAll(place, read::add);
      assertThat(read).hasSize(200).isEqualTo(log.read(5, Integer.MAX_VALUE));
      assertThat(log.append(List.of(new byte[1]))).isEqualTo(205);
    }
    assertThatThrownBy(() -> FileLog.readAll(place.resolve("none"), unused -> {}))
        .isInstanceOf(LogException.class);
  }
}

package io.espalier.stores.catalog;

import io.espalier.stores.users.EventKind;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.StringTokenizer;
import java.util.function.Consumer;

/**
 * A catalogue and what is known of its use, in the files that {@code docs/bundles.md} describes.
 *
 * <p>Each file is read when it is first asked for, once (the event log each time). A file that is
 * not there is an empty list, but for the items, without which a folder has no meaning. Safe for
 * use by many threads.
 */
public final class DataFolder {
  private static final List<String> ITEM_FILES = List.of("items.jsonl", "products.jsonl");

  private final Path directory;
  private final Lazy<List<CatalogItem>> items = new Lazy<>(this::readItems);
  private final Lazy<Map<String, Integer>> numbers = new Lazy<>(this::numberItems);
  private final Lazy<String> fingerprint = new Lazy<>(this::computeFingerprint);
  private final Lazy<List<UserSequence>> sequences = new Lazy<>(this::readSequences);
  private final Lazy<List<Judgment>> judgments = new Lazy<>(this::readJudgments);
  private final Lazy<List<LoggedQuery>> queries = new Lazy<>(this::readQueries);

  private DataFolder(Path directory) {
    this.directory = directory;
  }

  /**
   * Opens a folder; reads nothing yet.
   *
   * @throws InvalidDataException when there is no such folder
   */
  public static DataFolder open(Path directory) {
    if (!Files.isDirectory(directory)) {
      throw new InvalidDataException(directory + ": no such directory (expected: a data folder)");
    }
    return new DataFolder(directory);
  }

  /**
   * Reads items from a file of their own, in the form of a data folder's.
   *
   * @throws InvalidDataException that names the file and the line
   */
  public static List<CatalogItem> readItems(Path file) {
    ItemReader reader = new ItemReader(file);
    return Lines.read(file, false, reader::read);
  }

  /** Where it lies. */
  public Path directory() {
    return directory;
  }

  /** The items, in the order of the file: an item's position is its number. */
  public List<CatalogItem> items() {
    return items.get();
  }

  /** The item with this number, from 0. */
  public CatalogItem item(int number) {
    return items.get().get(number);
  }

  /** The item with this external id. */
  public Optional<CatalogItem> item(String id) {
    OptionalInt number = number(id);
    return number.isPresent() ? Optional.of(item(number.getAsInt())) : Optional.empty();
  }

  /** The number of the item with this external id. */
  public OptionalInt number(String id) {
    Integer number = numbers.get().get(id);
    return number == null ? OptionalInt.empty() : OptionalInt.of(number);
  }

  /**
   * What ties a bundle to this catalogue: {@code sha256:} and the digest of the items' external ids
   * in order, each followed by a newline.
   */
  public String fingerprint() {
    return fingerprint.get();
  }

  /** The users' sequences, from {@code sequences.tsv}. */
  public List<UserSequence> sequences() {
    return sequences.get();
  }

  /**
   * Hands over the event log, {@code events.tsv}, line by line: it can be larger than memory.
   *
   * @return whether the folder has one
   */
  public boolean forEachEvent(Consumer<LoggedEvent> consumer) {
    Path file = directory.resolve("events.tsv");
    if (!Files.exists(file)) {
      return false;
    }
    Lines.forEach(file, false, (text, line) -> event(file, text, line), consumer);
    return true;
  }

  /** The graded judgments, from {@code judgments.tsv}. */
  public List<Judgment> judgments() {
    return judgments.get();
  }

  /** The query log, from {@code queries.tsv}. */
  public List<LoggedQuery> queries() {
    return queries.get();
  }

  private List<CatalogItem> readItems() {
    List<Path> found = ITEM_FILES.stream().map(directory::resolve).filter(Files::exists).toList();
    if (found.size() != 1) {
      throw new InvalidDataException(
          directory
              + ": "
              + found.size()
              + " items files (expected: one of "
              + String.join(", ", ITEM_FILES)
              + ")");
    }
    Path file = found.getFirst();
    ItemReader reader = new ItemReader(file);
    Map<String, Long> lines = new HashMap<>();
    return Lines.read(
        file,
        false,
        (text, line) -> {
          CatalogItem item = reader.read(text, line);
          Long before = lines.put(item.id(), line);
          if (before != null) {
            throw new InvalidDataException(
                file,
                line,
                "id: " + item.id() + " (expected: once, and line " + before + " has it)");
          }
          return item;
        });
  }

  private Map<String, Integer> numberItems() {
    List<CatalogItem> all = items.get();
    Map<String, Integer> byId = HashMap.newHashMap(all.size());
    for (int i = 0; i < all.size(); i++) {
      byId.put(all.get(i).id(), i);
    }
    return byId;
  }

  private String computeFingerprint() {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
    for (CatalogItem item : items.get()) {
      digest.update(item.id().getBytes(StandardCharsets.UTF_8));
      digest.update((byte) '\n');
    }
    return "sha256:" + HexFormat.of().formatHex(digest.digest());
  }

  private List<UserSequence> readSequences() {
    Path file = directory.resolve("sequences.tsv");
    if (!Files.exists(file)) {
      return List.of();
    }
    int last = items.get().size() - 1;
    return Lines.read(
        file,
        false,
        (text, line) -> {
          String[] fields = Lines.fields(file, line, text, "user items");
          StringTokenizer tokens = new StringTokenizer(fields[1], " ");
          int[] sequence = new int[tokens.countTokens()];
          for (int i = 0; i < sequence.length; i++) {
            sequence[i] = Lines.integer(file, line, "item", tokens.nextToken(), 0, last);
          }
          return new UserSequence(nonEmpty(file, line, "user", fields[0]), sequence);
        });
  }

  private static LoggedEvent event(Path file, String text, long line) {
    String[] fields =
        Lines.fields(file, line, text, "user seconds kind item query position clicked");
    EventKind kind =
        EventKind.parse(fields[2])
            .orElseThrow(
                () ->
                    new InvalidDataException(
                        file,
                        line,
                        "kind: "
                            + fields[2]
                            + " (expected: impression, click, add_to_cart or purchase)"));
    OptionalInt position =
        fields[5].isEmpty()
            ? OptionalInt.empty()
            : OptionalInt.of(
                Lines.integer(file, line, "position", fields[5], 0, Integer.MAX_VALUE));
    boolean clicked =
        !fields[6].isEmpty() && Lines.integer(file, line, "clicked", fields[6], 0, 1) == 1;
    return new LoggedEvent(
        nonEmpty(file, line, "user", fields[0]),
        seconds(file, line, fields[1]),
        kind,
        nonEmpty(file, line, "item", fields[3]),
        fields[4],
        position,
        clicked);
  }

  private static Instant seconds(Path file, long line, String text) {
    try {
      return Instant.ofEpochSecond(Long.parseLong(text));
    } catch (NumberFormatException | DateTimeException e) {
      throw new InvalidDataException(
          file, line, "seconds: " + text + " (expected: whole seconds since 1970)");
    }
  }

  private List<Judgment> readJudgments() {
    Path file = directory.resolve("judgments.tsv");
    if (!Files.exists(file)) {
      return List.of();
    }
    return Lines.read(
        file,
        true,
        (text, line) -> {
          String[] fields = Lines.fields(file, line, text, "query id grade");
          return new Judgment(
              nonEmpty(file, line, "query", fields[0]),
              nonEmpty(file, line, "id", fields[1]),
              Lines.integer(file, line, "grade", fields[2], 0, 3));
        });
  }

  private List<LoggedQuery> readQueries() {
    Path file = directory.resolve("queries.tsv");
    if (!Files.exists(file)) {
      return List.of();
    }
    return Lines.read(
        file,
        false,
        (text, line) -> {
          String[] fields = Lines.fields(file, line, text, "split query count bought");
          LoggedQuery.Split split =
              switch (fields[0]) {
                case "train" -> LoggedQuery.Split.TRAIN;
                case "test" -> LoggedQuery.Split.TEST;
                default ->
                    throw new InvalidDataException(
                        file, line, "split: " + fields[0] + " (expected: train or test)");
              };
          return new LoggedQuery(
              split,
              nonEmpty(file, line, "query", fields[1]),
              Lines.integer(file, line, "count", fields[2], 0, Integer.MAX_VALUE),
              fields[3]);
        });
  }

  private static String nonEmpty(Path file, long line, String name, String text) {
    if (text.isEmpty()) {
      throw new InvalidDataException(file, line, name + ": empty (expected: not empty)");
    }
    return text;
  }
}

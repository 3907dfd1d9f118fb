package io.espalier.loadtest.faults;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.espalier.loadtest.driver.NamedFiles;
import io.espalier.server.ConfigFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What is done to a cluster, and what must hold meanwhile; a file of {@code loadtest/faults}.
 *
 * @param what in a few words, for the table
 * @param planned a change that operators make: no request may fail. Else a fault: none may fail
 *     whose deadline allowed a second try
 * @param replicas of each stage and of the router, where not {@link Cluster#REPLICAS}; with {@code
 *     inference} the stages' models run on so many servers of their own
 * @param settings further {@code --set} of a stage, by its name
 * @param redis whether users' states are on a Redis server of the scenario's own
 * @param certificates whether servers and callers speak TLS and want certificates of each other
 * @param catalogue where the catalogue's writer keeps its log: {@code folder} or {@code kafka}, a
 *     broker of the scenario's own; no writer where it is missing
 * @param links members that routers reach through a link that can be disturbed
 * @param steps one after another; load goes on until a while after the last
 */
record Scenario(
    String what,
    boolean planned,
    Map<String, Integer> replicas,
    Map<String, Map<String, String>> settings,
    boolean redis,
    boolean certificates,
    @Nullable Log catalogue,
    List<String> links,
    List<Step> steps) {

  private static final ObjectNode DEFAULTS =
      ConfigFile.parse(
          "{what: '', planned: false, replicas: {}, settings: {}, redis: false, certificates: false,"
              + " links: [], steps: []}",
          "defaults");
  private static final ObjectNode STEP =
      ConfigFile.parse("{on: [], length: 0s, times: 0, delay: 0s, stalls: 0}", "defaults");

  /** Where a catalogue's log is. */
  enum Log {
    FOLDER,
    KAFKA
  }

  /** One thing that is done. */
  enum Deed {
    /** Ended by SIGTERM and started again, each of those named after the other. */
    RESTART,
    /** Ended by SIGTERM and started again after {@code length}. */
    STOP,
    /** Ended by SIGKILL and started again after {@code length}. */
    KILL,
    /** Stands still (SIGSTOP) for {@code length}. */
    FREEZE,
    /** Gets one part in {@code times} of the processor for {@code length}. */
    SLOW,
    /**
     * Its link holds every piece back for {@code delay}, and a share {@code stalls} of them longer.
     */
    DELAY,
    /** Its link carries nothing for {@code length}, though connections stand. */
    CUT,
    /** Its disk has no byte left for {@code length}, from the first write that is refused. */
    FILL,
    /** Its clock jumps by {@code by} seconds for {@code length}. */
    JUMP,
    /**
     * Is started anew over a bundle of which a byte was changed, and must refuse; then as it was.
     */
    CORRUPT,
    /**
     * Is started anew with a heap of {@code heap}, of which it must be short, for {@code length};
     * then as it was.
     */
    SQUEEZE,
    /**
     * Gets a certificate that ends after {@code length}, and another one halfway; over once the
     * first has ended.
     */
    EXPIRE,
    /** Nothing, for {@code length}. */
    WAIT
  }

  /**
   * A step.
   *
   * @param deed what is done
   * @param on to which members, by name ({@code retrieval-1}, {@code redis}), by stage ({@code
   *     retrieval}) or all of them ({@code all})
   */
  record Step(
      Deed deed,
      List<String> on,
      Duration length,
      int times,
      Duration delay,
      double stalls,
      @Nullable String by,
      @Nullable String heap) {
    Step {
      on = List.copyOf(on);
      if (on.isEmpty() != (deed == Deed.WAIT)) {
        throw new IllegalArgumentException(
            "on: %s (expected: members, or none to wait)".formatted(on));
      }
      if (deed == Deed.JUMP && (by == null || !by.matches("[+-][0-9]+"))) {
        throw new IllegalArgumentException("by: %s (expected: such as +3600)".formatted(by));
      }
      if (deed == Deed.SLOW && times < 2) {
        throw new IllegalArgumentException("times: %d (expected: >= 2)".formatted(times));
      }
      if (!(stalls >= 0 && stalls <= 1)) {
        throw new IllegalArgumentException("stalls: %s (expected: 0..1)".formatted(stalls));
      }
    }
  }

  Scenario {
    if (what.isBlank()) {
      throw new IllegalArgumentException("what: empty (expected: what is done, in a few words)");
    }
    replicas = Map.copyOf(replicas);
    settings = Map.copyOf(settings);
    links = List.copyOf(links);
    if (steps.isEmpty()) {
      throw new IllegalArgumentException("steps: none (expected: one or more)");
    }
    steps = List.copyOf(steps);
  }

  boolean has(Deed deed) {
    return steps.stream().anyMatch(step -> step.deed() == deed);
  }

  /** Whether it is of what only stages have that run models: certificates of theirs, or engines. */
  boolean wantsStages() {
    return certificates || replicas.containsKey("inference");
  }

  /** Reads {@code NAME.yaml} of a folder. */
  static Scenario read(Path folder, String name) {
    Path file = new NamedFiles(folder).file("scenario", name);
    ObjectNode tree = ConfigFile.merge(DEFAULTS, ConfigFile.read(file));
    if (tree.get("steps") instanceof ArrayNode list) {
      for (int i = 0; i < list.size(); i++) {
        if (list.get(i) instanceof ObjectNode step) {
          list.set(i, ConfigFile.merge(STEP, step));
        }
      }
    }
    return ConfigFile.bind(tree, file.toString(), Scenario.class);
  }
}

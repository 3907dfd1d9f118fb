package io.espalier.loadtest.faults;

import io.espalier.loadtest.faults.Certificates.Issued;
import io.espalier.loadtest.faults.Scenario.Step;
import io.espalier.loadtest.process.Jvm;
import io.espalier.loadtest.process.ProcessorTime;
import io.espalier.loadtest.process.ServerProcess;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Does to a cluster what a scenario says. */
final class Faults {
  // After a restart: as long as an orchestrator waits before it takes the next (minReadySeconds).
  private static final Duration SETTLED = Duration.ofSeconds(3);
  private static final String OUT_OF_MEMORY = "OutOfMemoryError";
  private static final String BUNDLE = "shop-tiger";

  // By then a deed has shown, or it was none.
  private static final Duration PATIENCE = Duration.ofSeconds(60);
  private static final int POLL_MILLIS = 100;
  private static final long NEAR_MILLIS = 60_000;
  // Of its processor time: with a heap that suffices it is a few hundredths.
  private static final double MUCH_COLLECTING = .2;

  private final Cluster cluster;
  private final LongSupplier writesInTrouble;
  private final Consumer<String> said;

  /**
   * For a cluster.
   *
   * @param writesInTrouble how many writes a router refused so far
   * @param said is told what is done, when it is
   */
  Faults(Cluster cluster, LongSupplier writesInTrouble, Consumer<String> said) {
    this.cluster = cluster;
    this.writesInTrouble = writesInTrouble;
    this.said = said;
  }

  /**
   * One step; returns when it is over and undone.
   *
   * @throws IOException also when it cannot be seen to have been done
   */
  void run(Step step) throws IOException, InterruptedException {
    if (step.deed() == Scenario.Deed.WAIT) {
      sleep(step.length());
      return;
    }
    List<Member> members = cluster.named(step.on());
    switch (step.deed()) {
      case RESTART -> {
        for (Member member : members) {
          said.accept("restart " + member.name());
          member.running().terminate();
          member.startAgain();
          sleep(SETTLED);
        }
      }
      case STOP ->
          around(step, members, member -> member.running().terminate(), Member::startAgain);
      case KILL -> around(step, members, member -> member.running().kill(), Member::startAgain);
      case FREEZE ->
          around(step, members, member -> member.signal("STOP"), member -> member.signal("CONT"));
      case SLOW -> slow(step, members);
      case DELAY ->
          around(
              step,
              members,
              member -> cluster.link(member).disturb(step.delay(), step.stalls()),
              member -> cluster.link(member).disturb(Duration.ZERO, 0));
      case CUT ->
          around(
              step,
              members,
              member -> cluster.link(member).cut(true),
              member -> cluster.link(member).cut(false));
      case FILL -> fill(step);
      case JUMP ->
          around(
              step,
              members,
              member -> setClock(member, Objects.requireNonNull(step.by(), "by")),
              member -> setClock(member, "+0"));
      case CORRUPT -> {
        for (Member member : members) {
          corrupt(member, step);
        }
      }
      case SQUEEZE -> {
        for (Member member : members) {
          squeeze(member, step);
        }
      }
      case EXPIRE -> expire(step, members);
      case WAIT -> throw new IllegalStateException("done above");
    }
  }

  private interface Act {
    void on(Member member) throws IOException, InterruptedException;
  }

  private void around(Step step, List<Member> members, Act before, Act after)
      throws IOException, InterruptedException {
    String what = step.deed().name().toLowerCase(Locale.ROOT) + " ";
    for (Member member : members) {
      said.accept(what + member.name());
      before.on(member);
    }
    sleep(step.length());
    for (Member member : members) {
      after.on(member);
      said.accept(what + member.name() + ": over");
    }
  }

  /** Stops and continues it, so that it runs for one part of the time in so many. */
  private void slow(Step step, List<Member> members) throws IOException, InterruptedException {
    List<ServerProcess> brakes = new ArrayList<>();
    double slice = .05;
    double runs = slice / step.times();
    for (Member member : members) {
      said.accept("slow " + member.name());
      long pid = member.running().pid();
      String loop =
          String.format(
              Locale.ROOT,
              "while kill -STOP %1$d; do sleep %2$.4f; kill -CONT %1$d || exit; sleep %3$.4f; done",
              pid,
              slice - runs,
              runs);
      brakes.add(ServerProcess.start(List.of("sh", "-c", loop), said));
    }
    try {
      sleep(step.length());
    } finally {
      for (ServerProcess brake : brakes) {
        brake.kill();
      }
      for (Member member : members) {
        member.signal("CONT");
        said.accept("slow " + member.name() + ": over");
      }
    }
  }

  private void fill(Step step) throws IOException, InterruptedException {
    Path filler = cluster.disk().resolve("filler");
    said.accept("disk full");
    long before = writesInTrouble.getAsLong();
    try {
      try (OutputStream out = Files.newOutputStream(filler)) {
        byte[] page = new byte[4096];
        while (true) {
          out.write(page);
        }
      } catch (IOException e) {
        // Full: that is what is wanted.
      }
      // Logs still have the rest of their last pages.
      await(
          () -> writesInTrouble.getAsLong() > before,
          () -> "disk: full, and every write was taken (expected: some are refused)");
      said.accept("first write refused");
      sleep(step.length());
    } finally {
      Files.deleteIfExists(filler);
    }
    said.accept("disk full: over");
  }

  private interface Condition {
    boolean holds() throws IOException, InterruptedException;
  }

  /** Waits until something shows, and fails where it does not. */
  private static void await(Condition condition, Supplier<String> otherwise)
      throws IOException, InterruptedException {
    long until = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.holds()) {
      if (System.nanoTime() > until) {
        throw new IOException(otherwise.get());
      }
      Thread.sleep(POLL_MILLIS);
    }
  }

  private void setClock(Member member, String by) throws IOException, InterruptedException {
    Path file = cluster.clock(member.name());
    Path next = file.resolveSibling(file.getFileName() + ".new");
    Files.writeString(next, by + "\n");
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    Jvm jvm = new Jvm(member.running().pid());
    long offset = 1_000 * Long.parseLong(by);
    await(
        () -> Math.abs(jvm.clock() - System.currentTimeMillis() - offset) < NEAR_MILLIS,
        () -> "%s: its clock is not off by %s s (expected: it is)".formatted(member.name(), by));
  }

  /** The heap is too small where the server ends for want of it, or mostly collects garbage. */
  private void squeeze(Member member, Step step) throws IOException, InterruptedException {
    String heap = Objects.requireNonNull(step.heap(), "heap");
    said.accept("squeeze " + member.name());
    member.running().terminate();
    member.begin(member.start().withFlag("-Xmx" + heap));
    Jvm jvm = new Jvm(member.running().pid());
    await(
        () -> !member.isAlive() || member.listens(),
        () -> "%s: neither serves nor ends".formatted(member.name()));
    double collected = 0;
    double worked = 0;
    if (member.isAlive()) {
      said.accept(member.name() + " serves");
      collected = -jvm.collecting();
      worked = -seconds(member);
    }
    sleep(step.length());
    if (member.isAlive()) {
      collected += jvm.collecting();
      worked += seconds(member);
      if (collected < MUCH_COLLECTING * worked
          && !member.running().output().contains(OUT_OF_MEMORY)) {
        throw new IOException(
            "%s: a heap of %s suffices: %.1f s of %.1f s went to collections (expected: a fifth)"
                .formatted(member.name(), heap, collected, worked));
      }
      said.accept(
          "%s: %.1f s of %.1f s went to collections".formatted(member.name(), collected, worked));
      member.running().terminate();
    } else if (member.running().output().contains(OUT_OF_MEMORY)) {
      said.accept(member.name() + " had ended for want of memory");
    } else {
      throw new IOException(
          "%s ended, and not for want of memory: %s"
              .formatted(member.name(), lastLine(member.running().output())));
    }
    member.startAgain();
    said.accept("squeeze " + member.name() + ": over");
  }

  /** Certificates that run out and are renewed in time, as cert-manager does it. */
  private void expire(Step step, List<Member> members) throws IOException, InterruptedException {
    Certificates certificates = cluster.certificates();
    Issued first = certificates.issue(step.length());
    give(first, members);
    said.accept("certificates that end in %s s".formatted(left(first).toSeconds()));
    sleep(left(first).minus(step.length().dividedBy(2)));
    give(certificates.lasting(), members);
    Duration left = left(first);
    if (left.isNegative()) {
      throw new IOException(
          "length: %s (expected: so long that certificates are renewed before their end, which was %s ago)"
              .formatted(step.length(), left.negated()));
    }
    said.accept("certificates renewed, %s s before their end".formatted(left.toSeconds()));
    sleep(left.plus(SETTLED));
    said.accept("certificates ended");
  }

  /** Returns once each shows it to those who connect. */
  private void give(Issued issued, List<Member> members) throws IOException, InterruptedException {
    Certificates certificates = cluster.certificates();
    for (Member member : members) {
      certificates.give(member.name(), issued);
    }
    for (Member member : members) {
      await(
          () -> certificates.shownAt(member.port()).equals(issued.serial()),
          () -> "%s: does not show its new certificate".formatted(member.name()));
    }
  }

  private static Duration left(Issued issued) {
    return Duration.between(Instant.now(), issued.end());
  }

  private static double seconds(Member member) {
    return ProcessorTime.of(member.running().pid()).toNanos() / 1e9;
  }

  /** A rollout of a bundle that was damaged on its way: it must not serve. */
  private void corrupt(Member member, Step step) throws IOException, InterruptedException {
    Path damaged = damagedRepository();
    said.accept("corrupt bundle for " + member.name());
    member.running().terminate();
    member.begin(member.start().with("--model-repo", damaged.toString()));
    long until = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
    while (member.isAlive()) {
      if (System.nanoTime() > until || member.listens()) {
        throw new IOException(member.name() + ": serves a bundle of which a byte was changed");
      }
      Thread.sleep(100);
    }
    said.accept(member.name() + " refused: " + lastLine(member.running().output()));
    sleep(step.length());
    member.startAgain();
    said.accept("corrupt bundle for " + member.name() + ": over");
  }

  private static String lastLine(String output) {
    return output.lines().reduce((first, second) -> second).orElse("(nothing printed)");
  }

  /** The models as they are, but one byte of the semantic ids of a bundle. */
  private Path damagedRepository() throws IOException {
    Path real = cluster.setup().modelRepo().toAbsolutePath();
    Path damaged = Files.createDirectories(cluster.folder().resolve("damaged"));
    for (String part : List.of("models", "routes")) {
      link(damaged.resolve(part), real.resolve(part));
    }
    Path bundles = Files.createDirectories(damaged.resolve("bundles"));
    try (Stream<Path> all = Files.list(real.resolve("bundles"))) {
      for (Path bundle : all.toList()) {
        if (!bundle.endsWith(BUNDLE)) {
          link(bundles.resolve(bundle.getFileName()), bundle);
        }
      }
    }
    Path from = real.resolve("bundles").resolve(BUNDLE).resolve("1");
    Path to = Files.createDirectories(bundles.resolve(BUNDLE).resolve("1"));
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    Path ids = to.resolve("semantic_ids.tsv");
    byte[] bytes = Files.readAllBytes(ids);
    bytes[bytes.length / 2] ^= 1;
    Files.write(ids, bytes);
    return damaged;
  }

  private static void link(Path from, Path to) throws IOException {
    Files.deleteIfExists(from);
    Files.createSymbolicLink(from, to);
  }

  private static void sleep(Duration length) throws InterruptedException {
    if (length.isPositive()) {
      Thread.sleep(length);
    }
  }
}

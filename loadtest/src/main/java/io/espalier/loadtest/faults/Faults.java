package io.espalier.loadtest.faults;

import io.espalier.loadtest.faults.Scenario.Step;
import io.espalier.loadtest.process.ServerProcess;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Does to a cluster what a scenario says. */
final class Faults {
  // After a restart: as long as an orchestrator waits before it takes the next (minReadySeconds).
  private static final Duration SETTLED = Duration.ofSeconds(3);
  private static final String BUNDLE = "shop-tiger";

  private final Cluster cluster;
  private final Consumer<String> said;

  /**
   * For a cluster.
   *
   * @param said is told what is done, when it is
   */
  Faults(Cluster cluster, Consumer<String> said) {
    this.cluster = cluster;
    this.said = said;
  }

  /** One step; returns when it is over and undone. */
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
        String heap = Objects.requireNonNull(step.heap(), "heap");
        around(
            step,
            members,
            member -> {
              member.running().terminate();
              member.begin(member.start().withFlag("-Xmx" + heap));
            },
            member -> {
              if (member.isAlive()) {
                member.running().terminate();
              } else {
                said.accept(member.name() + " had ended");
              }
              member.startAgain();
            });
      }
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
    try (OutputStream out = Files.newOutputStream(filler)) {
      byte[] page = new byte[4096];
      while (true) {
        out.write(page);
      }
    } catch (IOException e) {
      // Full: that is what is wanted.
    }
    sleep(step.length());
    Files.delete(filler);
    said.accept("disk full: over");
  }

  private void setClock(Member member, String by) throws IOException {
    Path file = cluster.clock(member.name());
    Path next = file.resolveSibling(file.getFileName() + ".new");
    Files.writeString(next, by + "\n");
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /** A rollout of a bundle that was damaged on its way: it must not serve. */
  private void corrupt(Member member, Step step) throws IOException, InterruptedException {
    Path damaged = damagedRepository();
    said.accept("corrupt bundle for " + member.name());
    member.running().terminate();
    member.begin(member.start().with("--model-repo", damaged.toString()));
    long until = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
    while (member.isAlive()) {
      if (System.nanoTime() > until || listens(member)) {
        throw new IOException(member.name() + ": serves a bundle of which a byte was changed");
      }
      Thread.sleep(100);
    }
    said.accept(member.name() + " refused: " + lastLine(member.running().output()));
    sleep(step.length());
    member.startAgain();
    said.accept("corrupt bundle for " + member.name() + ": over");
  }

  private static boolean listens(Member member) throws InterruptedException {
    try {
      member.awaitListening(0);
      return true;
    } catch (IOException e) {
      return false;
    }
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
    Thread.sleep(length);
  }
}

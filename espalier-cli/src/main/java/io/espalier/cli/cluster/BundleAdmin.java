package io.espalier.cli.cluster;

import io.espalier.bundles.Bundle;
import io.espalier.bundles.BundleException;
import io.espalier.bundles.BundleId;
import io.espalier.bundles.BundleRepository;
import io.espalier.bundles.BundleSwitch;
import io.espalier.bundles.ServedBundle;
import io.espalier.server.Announcements;
import io.espalier.server.BackgroundThread;
import io.espalier.server.RequestException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;

/**
 * The bundle versions of the stages in this process: brings one beside another, takes one out, and
 * tells what becomes of each.
 */
final class BundleAdmin {
  // How long after its last request a version is waited for to be closed.
  private static final Duration CLOSE = Duration.ofSeconds(10);

  private final BundleRepository repository;
  private final List<Part> parts = new ArrayList<>();

  /** A stage. */
  private record Part(
      Stage stage, Predicate<Bundle> takes, BundleSwitch<?> bundles, Announcements announced) {
    void announce() {
      announced.announce(names());
    }

    void announceWithout(BundleId id) {
      Set<String> names = names();
      names.remove(id.toString());
      announced.announce(names);
    }

    private Set<String> names() {
      Set<String> names = new TreeSet<>();
      bundles.serving().forEach(id -> names.add(id.toString()));
      return names;
    }
  }

  /**
   * A version of one stage.
   *
   * @param stage where
   * @param bundle what becomes of it
   */
  record Status(Stage stage, ServedBundle bundle) {}

  /**
   * What a version that was taken out came to.
   *
   * @param stages that served it
   * @param closed whether nobody uses it any more
   */
  record Unloaded(Set<Stage> stages, boolean closed) {}

  BundleAdmin(BundleRepository repository) {
    this.repository = repository;
  }

  /**
   * Adds a stage. A version is brought to the catalogue's writer last: what it gives new items then
   * reaches those that have the version already.
   *
   * @param takes which bundles it can serve
   * @return what its server announces
   */
  Announcements add(Stage stage, Predicate<Bundle> takes, BundleSwitch<?> bundles) {
    Part part = new Part(stage, takes, bundles, new Announcements());
    part.announce();
    parts.add(part);
    parts.sort(Comparator.comparing(Part::stage));
    return part.announced();
  }

  /**
   * Brings a version to the stages that serve such bundles, beside those that serve already; in
   * what requests leave of the processors.
   *
   * @param only the stage that is meant; empty for all
   * @return the stages
   * @throws BundleException when it does not load in one of them; then it is in none that it was
   *     brought to
   */
  Set<Stage> load(BundleId id, String only) {
    CompletableFuture<Set<Stage>> done = new CompletableFuture<>();
    BackgroundThread.start(
        "bundle-load",
        () -> {
          try {
            done.complete(loadNow(id, only));
          } catch (RuntimeException | Error e) {
            done.completeExceptionally(e);
          }
        });
    try {
      return done.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw failure;
      }
      throw e;
    }
  }

  private synchronized Set<Stage> loadNow(BundleId id, String only) {
    Bundle bundle = repository.get(id);
    List<Part> taking = named(only).stream().filter(part -> part.takes().test(bundle)).toList();
    if (taking.isEmpty()) {
      throw RequestException.invalidArgument(
          "bundle: %s of system %s (expected: one that %s here serves)"
              .formatted(id, bundle.system(), stages(named(only))));
    }
    List<Part> brought = new ArrayList<>();
    try {
      for (Part part : taking) {
        boolean isNew = !part.bundles().serving().contains(id);
        part.bundles().switchTo(id);
        if (isNew) {
          brought.add(part);
        }
      }
      return stages(taking);
    } catch (RuntimeException | Error e) {
      for (Part part : brought.reversed()) {
        var unused = part.bundles().retire(id);
      }
      throw e;
    } finally {
      taking.forEach(Part::announce);
    }
  }

  /**
   * Takes a version out of the stages that serve it.
   *
   * @param only the stage that is meant; empty for all
   * @param quiet how long nobody may have asked for it; zero takes it out at once
   * @param patience how long that is waited for in each stage
   * @throws RequestException when it is asked for again and again
   */
  Unloaded unload(BundleId id, String only, Duration quiet, Duration patience)
      throws InterruptedException {
    List<Part> serving =
        named(only).stream().filter(part -> part.bundles().serving().contains(id)).toList();
    if (serving.isEmpty()) {
      throw RequestException.notFound(
          "bundle: %s (expected: one that is served here)".formatted(id));
    }
    List<CompletableFuture<Void>> closing = new ArrayList<>();
    for (Part part : serving) {
      // No route is let name it from here on.
      part.announceWithout(id);
      if (quiet.isPositive() && !part.bundles().awaitQuiet(id, quiet, patience)) {
        part.announce();
        throw RequestException.failedPrecondition(
            "bundle: %s at %s is asked for all the time (expected: by nobody for %d ms; a route still names it)"
                .formatted(id, part.stage(), quiet.toMillis()));
      }
      closing.add(part.bundles().retire(id));
      part.announce();
    }
    return new Unloaded(stages(serving), isDone(closing));
  }

  private static boolean isDone(List<CompletableFuture<Void>> closing) throws InterruptedException {
    try {
      CompletableFuture.allOf(closing.toArray(CompletableFuture[]::new))
          .get(CLOSE.toMillis(), TimeUnit.MILLISECONDS);
      return true;
    } catch (TimeoutException | ExecutionException e) {
      return false;
    }
  }

  /** Whether the model repository has a version, sound or not. */
  boolean isKnown(BundleId id) {
    return repository.has(id);
  }

  /** What becomes of every version. */
  List<Status> status() {
    List<Status> all = new ArrayList<>();
    for (Part part : parts) {
      part.bundles().status().forEach(bundle -> all.add(new Status(part.stage(), bundle)));
    }
    return all;
  }

  private List<Part> named(String stage) {
    if (stage.isEmpty()) {
      return parts;
    }
    List<Part> named =
        parts.stream().filter(part -> part.stage().toString().equals(stage)).toList();
    if (named.isEmpty()) {
      throw RequestException.invalidArgument(
          "stage: %s (expected: one of %s)".formatted(stage, stages(parts)));
    }
    return named;
  }

  private static Set<Stage> stages(List<Part> parts) {
    Set<Stage> stages = new LinkedHashSet<>();
    parts.forEach(part -> stages.add(part.stage()));
    return stages;
  }
}

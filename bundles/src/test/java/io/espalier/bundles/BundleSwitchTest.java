package io.espalier.bundles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BundleSwitchTest {
  private static final long SEED = 77_003;
  private static final BundleId V1 = new BundleId("lamp", 1);
  private static final BundleId V2 = new BundleId("lamp", 2);

  @TempDir Path root;
  private TestRepository files;
  private final Loader loader = new Loader();
  private BundleSwitch<Loaded> bundles;

  @BeforeEach
  void write() throws IOException {
    files = new TestRepository(root);
    for (int version = 1; version <= 4; version++) {
      files.write(version);
    }
    bundles = new BundleSwitch<>(BundleRepository.open(root), loader);
  }

  @Test
  void switchTo_second_shiftsAndKeepsTheFirstForThoseWhoNameIt() {
    bundles.switchTo(V1);
    bundles.switchTo(V2);

    try (Lease<Loaded> current = bundles.acquireCurrent("lamp").orElseThrow();
        Lease<Loaded> old = bundles.acquire(V1).orElseThrow()) {
      assertThat(current.id()).isEqualTo(V2);
      assertThat(old.get().use()).isEqualTo(1);
    }
    assertThat(bundles.serving()).containsExactly(V1, V2);
    assertThat(loader.warmed).containsExactly(1, 2);
  }

  @Test
  void switchTo_olderThatServes_rollsBackWithoutLoading() {
    bundles.switchTo(V1);
    bundles.switchTo(V2);

    bundles.switchTo(V1);

    assertThat(bundles.retire(V2)).isDone();
    try (Lease<Loaded> current = bundles.acquireCurrent("lamp").orElseThrow()) {
      assertThat(current.id()).isEqualTo(V1);
    }
    assertThat(loader.loaded).hasSize(2);
  }

  @Test
  void switchTo_brokenBundle_leavesTheOldServing() throws IOException {
    bundles.switchTo(V1);
    Files.writeString(files.directory(2).resolve("items.tsv"), "changed\n");

    assertThatThrownBy(() -> bundles.switchTo(V2))
        .isInstanceOf(BundleException.class)
        .hasMessageContaining("items.tsv");

    assertThat(bundles.acquireCurrent("lamp").orElseThrow().id()).isEqualTo(V1);
    assertThat(bundles.acquire(V2)).isEmpty();
    assertThat(loader.loaded).hasSize(1);
  }

  @Test
  void switchTo_warmUpFails_closesTheNewOne() {
    bundles.switchTo(V1);
    loader.failsToWarm = 2;

    assertThatThrownBy(() -> bundles.switchTo(V2))
        .isInstanceOf(BundleException.class)
        .hasMessage("bundle lamp@2: cannot be warmed: cold");

    assertThat(loader.loaded).extracting(l -> l.closes.get()).containsExactly(0, 1);
    assertThat(bundles.serving()).containsExactly(V1);
  }

  @Test
  void retire_leased_closesWithTheLastLease() {
    bundles.switchTo(V1);
    Lease<Loaded> first = bundles.acquire(V1).orElseThrow();
    Lease<Loaded> second = bundles.acquire(V1).orElseThrow();

    CompletableFuture<Void> drained = bundles.retire(V1);

    assertThat(bundles.acquire(V1)).isEmpty();
    assertThat(bundles.acquireCurrent("lamp")).isEmpty();
    first.close();
    first.close();
    assertThat(second.get().use()).isEqualTo(1);
    assertThat(drained).isNotDone();
    second.close();
    assertThat(drained).isDone();
    assertThat(loader.loaded).extracting(l -> l.closes.get()).containsExactly(1);
    assertThatThrownBy(second::get).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void acquire_whileAnotherLoads_doesNotWait() throws Exception {
    bundles.switchTo(V1);
    loader.gate = new CountDownLatch(1);
    try (ExecutorService pool = Executors.newSingleThreadExecutor()) {
      Future<?> switching = pool.submit(() -> bundles.switchTo(V2));
      assertThat(loader.atGate.await(30, TimeUnit.SECONDS)).isTrue();

      try (Lease<Loaded> lease = bundles.acquireCurrent("lamp").orElseThrow()) {
        assertThat(lease.id()).isEqualTo(V1);
      }
      loader.gate.countDown();
      switching.get();
    }
    assertThat(bundles.acquireCurrent("lamp").orElseThrow().id()).isEqualTo(V2);
  }

  @Test
  void switchTo_resources_areClosedAfterTheBundleAndWhenItFails() {
    List<String> log = new ArrayList<>();
    BundleLoader<AutoCloseable> logging =
        new BundleLoader<>() {
          @Override
          public AutoCloseable load(Bundle bundle) {
            if (bundle.version() == 3) {
              throw new IllegalStateException("no");
            }
            return () -> log.add("bundle " + bundle.version());
          }

          @Override
          public void warm(AutoCloseable loaded) {}
        };
    BundleResources resources =
        bundle -> {
          if (bundle.version() == 4) {
            throw new IllegalStateException("no model");
          }
          return () -> log.add("models " + bundle.version());
        };
    BundleSwitch<AutoCloseable> served =
        new BundleSwitch<>(BundleRepository.open(root), logging, resources);
    served.switchTo(V1);

    assertThatThrownBy(() -> served.switchTo(new BundleId("lamp", 3)))
        .isInstanceOf(BundleException.class)
        .hasMessage("bundle lamp@3: cannot be loaded: no");
    assertThatThrownBy(() -> served.switchTo(new BundleId("lamp", 4)))
        .isInstanceOf(BundleException.class)
        .hasMessage("bundle lamp@4: its models cannot be loaded: no model");
    served.close();

    assertThat(log).containsExactly("models 3", "bundle 1", "models 1");
  }

  @Test
  void status_tellsOfEachState() throws Exception {
    bundles.switchTo(V1);
    Files.delete(files.directory(3).resolve("items.tsv"));
    assertThatThrownBy(() -> bundles.switchTo(new BundleId("lamp", 3)))
        .isInstanceOf(BundleException.class);
    loader.gate = new CountDownLatch(1);
    try (ExecutorService pool = Executors.newSingleThreadExecutor();
        Lease<Loaded> used = bundles.acquire(V1).orElseThrow()) {
      Future<?> switching = pool.submit(() -> bundles.switchTo(V2));
      assertThat(loader.atGate.await(30, TimeUnit.SECONDS)).isTrue();

      assertThat(bundles.status())
          .extracting(ServedBundle::id, ServedBundle::state, ServedBundle::users)
          .containsExactly(
              tuple(V1, ServedBundle.State.SERVING, 1),
              tuple(V2, ServedBundle.State.LOADING, 0),
              tuple(new BundleId("lamp", 3), ServedBundle.State.FAILED, 0));
      loader.gate.countDown();
      switching.get();
      CompletableFuture<Void> drained = bundles.retire(V1);
      assertThat(bundles.status().getFirst().state()).isEqualTo(ServedBundle.State.DRAINING);
      assertThat(bundles.status().getFirst().users()).isEqualTo(1);
      assertThat(drained).isNotDone();
      assertThat(used.get().use()).isEqualTo(1);
    }
    assertThat(bundles.status())
        .extracting(ServedBundle::id, ServedBundle::state, ServedBundle::current)
        .containsExactly(
            tuple(V2, ServedBundle.State.SERVING, true),
            tuple(new BundleId("lamp", 3), ServedBundle.State.FAILED, false));
  }

  @Test
  void awaitQuiet_leasedOrAskedFor_saysNo() throws InterruptedException {
    bundles.switchTo(V1);
    Duration moment = Duration.ofMillis(1);
    try (Lease<Loaded> lease = bundles.acquire(V1).orElseThrow()) {
      assertThat(bundles.awaitQuiet(V1, moment, moment)).isFalse();
      assertThat(lease.get().use()).isEqualTo(1);
    }
    assertThat(bundles.awaitQuiet(V1, Duration.ofHours(1), moment)).isFalse();
    assertThat(bundles.awaitQuiet(V1, moment, Duration.ofMinutes(1))).isTrue();
    assertThat(bundles.awaitQuiet(V2, moment, moment)).isTrue();
  }

  @Test
  void switchTo_whileTheSameVersionDrains_waitsForItsEnd() throws Exception {
    bundles.switchTo(V1);
    Lease<Loaded> last = bundles.acquire(V1).orElseThrow();
    CompletableFuture<Void> drained = bundles.retire(V1);
    try (ExecutorService pool = Executors.newSingleThreadExecutor()) {
      Future<?> again = pool.submit(() -> bundles.switchTo(V1));
      assertThat(loader.loaded).hasSize(1);
      last.close();
      again.get(30, TimeUnit.SECONDS);
    }
    assertThat(drained).isDone();
    assertThat(loader.loaded).extracting(l -> l.closes.get()).containsExactly(1, 0);
  }

  @Test
  void close_retiresEverything() {
    bundles.switchTo(V1);
    bundles.switchTo(V2);
    Lease<Loaded> lease = bundles.acquire(V2).orElseThrow();

    bundles.close();
    bundles.close();

    assertThat(loader.loaded).extracting(l -> l.closes.get()).containsExactly(1, 0);
    lease.close();
    assertThat(loader.loaded).extracting(l -> l.closes.get()).containsExactly(1, 1);
    assertThatThrownBy(() -> bundles.switchTo(V1)).isInstanceOf(IllegalStateException.class);
  }

  /** One thread, thousands of random histories: every step's outcome is predicted by a model. */
  @Test
  void anyHistory_closesOnceAndNeverInUse() {
    System.out.println("seed " + SEED);
    Random random = new Random(SEED);
    for (int round = 0; round < 5_000; round++) {
      Loaded value = new Loaded(1);
      BundleHandle<Loaded> handle = new BundleHandle<>(V1, value);
      List<Lease<Loaded>> open = new ArrayList<>();
      boolean retired = false;
      for (int step = 0; step < 12; step++) {
        switch (random.nextInt(4)) {
          case 0, 1 -> {
            Optional<Lease<Loaded>> lease = handle.acquire();
            assertThat(lease.isPresent()).isEqualTo(!retired || !open.isEmpty());
            lease.ifPresent(open::add);
          }
          case 2 -> {
            if (!open.isEmpty()) {
              Lease<Loaded> lease = open.remove(random.nextInt(open.size()));
              lease.get().use();
              lease.close();
              if (random.nextBoolean()) {
                lease.close();
              }
            }
          }
          default -> {
            if (!retired) {
              retired = true;
              handle.release();
            }
          }
        }
        assertThat(value.closes.get()).isEqualTo(retired && open.isEmpty() ? 1 : 0);
      }
    }
  }

  /** Many threads use what others switch and retire at random. */
  @Test
  void concurrentSwitchesAndLeases_neverUseAfterClose() throws Exception {
    System.out.println("seed " + SEED);
    int users = 4;
    int steps = 4_000;
    bundles.switchTo(V1);
    AtomicInteger uses = new AtomicInteger();
    Queue<CompletableFuture<Void>> drains = new ConcurrentLinkedQueue<>();
    try (ExecutorService pool = Executors.newFixedThreadPool(users + 2)) {
      List<Future<?>> work = new ArrayList<>();
      for (int u = 0; u < users; u++) {
        Random random = new Random(SEED + u);
        work.add(
            pool.submit(
                () -> {
                  for (int i = 0; i < steps; i++) {
                    Optional<Lease<Loaded>> lease =
                        random.nextBoolean()
                            ? bundles.acquireCurrent("lamp")
                            : bundles.acquire(new BundleId("lamp", 1 + random.nextInt(4)));
                    try (Lease<Loaded> held = lease.orElse(null)) {
                      if (held != null) {
                        held.get().use();
                        Thread.onSpinWait();
                        held.get().use();
                        uses.incrementAndGet();
                      }
                    }
                  }
                }));
      }
      for (int s = 0; s < 2; s++) {
        Random random = new Random(SEED - 1 - s);
        work.add(
            pool.submit(
                () -> {
                  for (int i = 0; i < 400; i++) {
                    bundles.switchTo(new BundleId("lamp", 1 + random.nextInt(4)));
                    drains.add(bundles.retire(new BundleId("lamp", 1 + random.nextInt(4))));
                  }
                }));
      }
      for (Future<?> future : work) {
        future.get();
      }
    }
    bundles.close();

    assertThat(uses.get()).isPositive();
    assertThat(drains).allMatch(CompletableFuture::isDone);
    assertThat(loader.loaded).allSatisfy(loaded -> assertThat(loaded.closes).hasValue(1));
  }

  /** What the tests load: it knows when it is used after its end. */
  private static final class Loaded implements AutoCloseable {
    private final int version;
    private final AtomicInteger closes = new AtomicInteger();

    Loaded(int version) {
      this.version = version;
    }

    int use() {
      if (closes.get() > 0) {
        throw new AssertionError("version " + version + " used after close");
      }
      return version;
    }

    @Override
    public void close() {
      closes.incrementAndGet();
    }
  }

  private static final class Loader implements BundleLoader<Loaded> {
    private final Queue<Loaded> loaded = new ConcurrentLinkedQueue<>();
    private final Queue<Integer> warmed = new ConcurrentLinkedQueue<>();
    private final CountDownLatch atGate = new CountDownLatch(1);
    private volatile CountDownLatch gate = new CountDownLatch(0);
    private volatile int failsToWarm;

    @Override
    public Loaded load(Bundle bundle) {
      if (gate.getCount() > 0) {
        atGate.countDown();
        try {
          gate.await();
        } catch (InterruptedException e) {
          throw new AssertionError(e);
        }
      }
      Loaded made = new Loaded(bundle.version());
      loaded.add(made);
      return made;
    }

    @Override
    public void warm(Loaded made) {
      if (made.version == failsToWarm) {
        throw new IllegalStateException("cold");
      }
      warmed.add(made.version);
    }
  }
}

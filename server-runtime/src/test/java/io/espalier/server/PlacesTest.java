package io.espalier.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.AdmissionConfig.TenantConfig;
import io.espalier.server.Places.End;
import io.espalier.server.Places.Place;
import io.espalier.server.Places.Refusal;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.junit.jupiter.api.Test;

class PlacesTest {
  private static final long SECOND = 1_000_000_000;
  private static final long FOREVER = Long.MAX_VALUE;

  private static Places places(int most, Map<String, TenantConfig> tenants) {
    return new Places(
        most, new AdmissionConfig(false, .7, 2, new TenantConfig(1, 0, 0), tenants), 0);
  }

  private static Places.Answer take(Places places, String tenant, int priority, long now) {
    return places.take("m", tenant, priority, FOREVER, false, now);
  }

  private static Place placeOf(Places.Answer answer) {
    assertThat(answer.refusal()).isNull();
    return Objects.requireNonNull(answer.place());
  }

  @Test
  void take_moreThanTheMost_isRefusedUntilOneIsGivenBack() {
    Places places = places(2, Map.of());
    Place first = placeOf(take(places, "", 0, 1));
    placeOf(take(places, "", 0, 2));
    Places.Answer refused = take(places, "", 0, 3);
    assertThat(refused.refusal()).isEqualTo(Refusal.LIMIT);
    assertThat(refused.words()).isEqualTo("calls in progress: 3 (expected: at most 2)");
    places.give(first, End.TIMED, 0, 4);
    placeOf(take(places, "", 0, 5));
    assertThat(places.inProgress()).isEqualTo(2);
  }

  @Test
  void take_noMost_isNeverRefused() {
    Places places = places(0, Map.of());
    for (int i = 0; i < 5_000; i++) {
      placeOf(take(places, "", 0, i));
    }
  }

  @Test
  void take_lowerPriority_leavesRoomForTheFirst() {
    Places places = places(10, Map.of());
    for (int i = 0; i < 8; i++) {
      placeOf(take(places, "", 1, i));
    }
    assertThat(take(places, "", 1, 9).refusal()).isEqualTo(Refusal.LIMIT);
    placeOf(take(places, "", 0, 10));
    placeOf(take(places, "", 0, 11));
    assertThat(take(places, "", 0, 12).refusal()).isEqualTo(Refusal.LIMIT);
  }

  @Test
  void take_quotaSpent_isRefusedAndComesBackWithTime() {
    Places places = places(100, Map.of("small", new TenantConfig(1, 2, 3)));
    for (int i = 0; i < 3; i++) {
      placeOf(take(places, "small", 0, 1));
    }
    Places.Answer refused = take(places, "small", 0, 1);
    assertThat(refused.refusal()).isEqualTo(Refusal.QUOTA);
    assertThat(refused.words())
        .isEqualTo("tenant 'small': more than 2.0 calls a second (expected: within its quota)");
    placeOf(take(places, "other", 0, 1));
    placeOf(take(places, "small", 0, 1 + SECOND / 2));
    assertThat(take(places, "small", 0, 1 + SECOND / 2).refusal()).isEqualTo(Refusal.QUOTA);
  }

  @Test
  void take_cannotEndInTime_isRefusedUnlessTheServerIsIdle() {
    Places places = places(100, Map.of());
    Place slow = placeOf(take(places, "", 0, 0));
    places.give(slow, End.TIMED, 0, SECOND);
    // Nothing is in progress: one has to try.
    Place trying = placeOf(places.take("m", "", 0, SECOND / 10, false, SECOND));
    Places.Answer refused = places.take("m", "", 0, SECOND / 10, false, SECOND);
    assertThat(refused.refusal()).isEqualTo(Refusal.DEADLINE);
    assertThat(refused.words())
        .isEqualTo(
            "deadline: 100 ms left (expected: at least 2000 ms, which such calls take at present)");
    assertThat(places.take("another", "", 0, SECOND / 10, false, SECOND).refusal()).isNull();
    assertThat(places.take("m", "", 0, 10 * SECOND, false, SECOND).refusal()).isNull();
    // What nobody has measured for a while is not known.
    assertThat(places.take("m", "", 0, SECOND / 10, false, 5 * SECOND).refusal()).isNull();
    places.give(trying, End.TIMED, 0, 5 * SECOND);
  }

  @Test
  void work_kinds_areComparedWithTheirLikeAlone() {
    Places places = places(100, Map.of());
    for (int i = 0; i < 3; i++) {
      Place slow = placeOf(take(places, "", 0, 0));
      places.work(slow, "slow", 0);
      places.give(slow, End.TIMED, 0, SECOND);
    }
    placeOf(take(places, "", 0, SECOND));
    Place hurried = placeOf(places.take("m", "", 0, SECOND / 2, false, SECOND));
    places.work(hurried, "quick", SECOND);
    assertThatThrownBy(() -> places.work(hurried, "slow", SECOND + SECOND / 4))
        .isInstanceOf(RequestException.class)
        .hasMessageStartingWith("deadline: 250 ms left (expected: at least 2000 ms");
  }

  private static final long MILLI = 1_000_000;

  /** Places with an adaptive limit of 20, of which 16 are taken by calls that take 30 ms. */
  private static Places busy() {
    Places places =
        new Places(1_000, new AdmissionConfig(true, .7, 2, new TenantConfig(1, 0, 0), Map.of()), 0);
    for (int i = 0; i < 2; i++) {
      Place usual = placeOf(take(places, "", 0, 0));
      places.work(usual, "route", 0);
      places.give(usual, End.TIMED, SECOND, 30 * MILLI);
    }
    for (int i = 0; i < 16; i++) {
      placeOf(take(places, "", 0, 30 * MILLI));
    }
    assertThat(places.limit()).isEqualTo(20);
    return places;
  }

  /** The milliseconds after {@link #busy}, up to half a second. */
  private static void eachMilli(LongConsumer call) {
    for (long now = 31 * MILLI; now < SECOND / 2; now += MILLI) {
      call.accept(now);
    }
  }

  @Test
  void give_callsThatWhatTheyNeedRefusesForLoad_lowerTheLimit() {
    Places places = busy();
    eachMilli(
        now -> {
          Place place = take(places, "", 0, now).place();
          if (place != null) {
            places.give(place, End.OVERLOADED, SECOND, now);
          }
        });
    assertThat(places.limit()).isLessThan(20);
  }

  @Test
  void give_callsWhoseTimeIsTooShort_leaveTheLimit() {
    Places places = busy();
    eachMilli(
        now -> {
          Place hurried = placeOf(places.take("m", "", 0, 10 * MILLI, false, now));
          assertThatThrownBy(() -> places.work(hurried, "route", now))
              .hasMessageStartingWith("deadline: 10 ms left");
          places.give(hurried, End.OVERLOADED, SECOND, now);
        });
    assertThat(places.limit()).isEqualTo(20);
  }

  @Test
  void give_callsThatAreRefusedForWhatTheyAre_leaveTheLimit() {
    Places places = busy();
    eachMilli(
        now -> {
          Place large = placeOf(take(places, "", 0, now));
          places.notForLoad(large);
          places.give(large, End.OVERLOADED, SECOND, now);
        });
    assertThat(places.limit()).isEqualTo(20);
  }

  @Test
  void take_streams_countForTheMostAlone() {
    Places places = places(2, Map.of());
    Place stream = placeOf(places.take("s", "", 0, FOREVER, true, 0));
    placeOf(take(places, "", 0, 0));
    assertThat(take(places, "", 0, 0).refusal()).isEqualTo(Refusal.LIMIT);
    places.give(stream, End.OTHER, 0, SECOND);
    placeOf(take(places, "", 0, SECOND));
  }

  @Test
  void take_greedyTenant_leavesTheOthersTheirShares() {
    for (long seed = 1; seed <= 20; seed++) {
      Map<String, Served> served = load(seed, Map.of(), Map.of("greedy", 3_000., "modest", 40.));
      // It asks for 40 of 100: all of it is served, and the greedy one has the rest.
      assertThat(of(served, "modest").share()).as("seed %d", seed).isGreaterThan(.95);
      assertThat(of(served, "greedy").letIn() / 20.).as("seed %d", seed).isGreaterThan(50);
    }
  }

  @Test
  void take_twoGreedyTenants_areServedByTheirWeights() {
    for (long seed = 1; seed <= 20; seed++) {
      Map<String, Served> served =
          load(
              seed,
              Map.of("three", new TenantConfig(3, 0, 0)),
              Map.of("three", 1_000., "one", 4_000.));
      assertThat(of(served, "three").letIn() / (double) of(served, "one").letIn())
          .as("seed %d", seed)
          .isBetween(2.5, 3.5);
    }
  }

  private record Served(int asked, int letIn) {
    Served plus(boolean in) {
      return new Served(asked + 1, letIn + (in ? 1 : 0));
    }

    double share() {
      return letIn / (double) asked;
    }
  }

  private static Served of(Map<String, Served> served, String tenant) {
    return served.getOrDefault(tenant, new Served(0, 0));
  }

  /** What a server of 20 places and 200 ms a call lets in within 20 seconds. */
  private static Map<String, Served> load(
      long seed, Map<String, TenantConfig> tenants, Map<String, Double> rates) {
    // Twenty places of an adaptive limit that stays where it begins.
    Places places =
        new Places(1_000, new AdmissionConfig(true, 1, 20, new TenantConfig(1, 0, 0), tenants), 0);
    Random random = new Random(seed);
    Map<String, Served> served = new HashMap<>();
    Deque<Place> inProgress = new ArrayDeque<>();
    Deque<Long> ends = new ArrayDeque<>();
    double all = rates.values().stream().mapToDouble(x -> x).sum();
    long now = 0;
    while (now < 20 * SECOND) {
      now += (long) (-Math.log(1 - random.nextDouble()) / all * SECOND);
      while (!ends.isEmpty() && ends.getFirst() <= now) {
        places.give(inProgress.removeFirst(), End.OTHER, 0, ends.removeFirst());
      }
      double point = random.nextDouble() * all;
      String tenant = "";
      for (var rate : new TreeMap<>(rates).entrySet()) {
        tenant = rate.getKey();
        point -= rate.getValue();
        if (point < 0) {
          break;
        }
      }
      Place place = take(places, tenant, 0, now).place();
      served.put(tenant, of(served, tenant).plus(place != null));
      if (place != null) {
        inProgress.addLast(place);
        ends.addLast(now + SECOND / 5);
      }
    }
    return served;
  }
}

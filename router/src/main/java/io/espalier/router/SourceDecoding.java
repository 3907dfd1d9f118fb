package io.espalier.router;

import io.espalier.retrieval.v1.Decoding;
import io.espalier.retrieval.v1.PrefixQuota;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** What a route wants of a generative source's beams beside the best. */
record SourceDecoding(
    @Nullable Sampling sampling,
    List<Quota> quotas,
    double unseenShare,
    @Nullable LoadWidth loadWidth) {
  SourceDecoding {
    quotas = List.copyOf(quotas);
    Set<Integer> lengths = new HashSet<>();
    for (Quota quota : quotas) {
      if (!lengths.add(quota.length())) {
        throw new IllegalArgumentException(
            "quotas: length %d twice (expected: one quota a length)".formatted(quota.length()));
      }
    }
    inRange("unseen_share", unseenShare, 0, 1);
  }

  /** Draws without replacement; a request gets a seed of its own where the route gives none. */
  record Sampling(double temperature, @Nullable Long seed) {
    Sampling {
      inRange("temperature", temperature, 0.001, 100);
    }

    private io.espalier.retrieval.v1.Sampling message() {
      return io.espalier.retrieval.v1.Sampling.newBuilder()
          .setTemperature(temperature)
          .setSeed(seed == null ? ThreadLocalRandom.current().nextLong() : seed)
          .build();
    }
  }

  /** At most so many beams and items under one prefix of a length. */
  record Quota(int length, int most) {
    Quota {
      Route.inRange("length", length, 1, 64);
      Route.inRange("most", most, 1, 1000);
    }
  }

  /** How far load may narrow the beams. */
  record LoadWidth(int least, int searches) {
    LoadWidth {
      Route.inRange("least", least, 1, 512);
      Route.inRange("searches", searches, 0, 10_000);
    }
  }

  private static void inRange(String key, double value, double min, double max) {
    if (!(value >= min && value <= max)) {
      throw new IllegalArgumentException(
          "%s: %s (expected: %s..%s)".formatted(key, value, min, max));
    }
  }

  /** The same as the retrieval server takes it. */
  Decoding message() {
    Decoding.Builder decoding = Decoding.newBuilder().setUnseenShare(unseenShare);
    if (sampling != null) {
      decoding.setSampling(sampling.message());
    }
    for (Quota quota : quotas) {
      decoding.addQuotas(PrefixQuota.newBuilder().setLength(quota.length()).setMost(quota.most()));
    }
    if (loadWidth != null) {
      decoding.setLoadWidth(
          io.espalier.retrieval.v1.LoadWidth.newBuilder()
              .setLeast(loadWidth.least())
              .setSearches(loadWidth.searches()));
    }
    return decoding.build();
  }
}

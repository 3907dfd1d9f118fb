package io.espalier.retrieval;

import io.espalier.retrieval.Control.LoadWidth;
import io.espalier.retrieval.Control.Quota;
import io.espalier.retrieval.Control.Sampling;
import io.espalier.retrieval.v1.Decoding;
import io.espalier.retrieval.v1.PrefixQuota;
import io.espalier.server.RequestException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Reads how a caller wants beams to be chosen. */
final class ControlReader {
  private static final double LEAST_TEMPERATURE = 0.001;
  private static final double MOST_TEMPERATURE = 100;
  private static final int MAX_SEARCHES = 10_000;

  private ControlReader() {}

  static Control read(Decoding decoding) {
    double share = decoding.getUnseenShare();
    if (!(share >= 0 && share <= 1)) {
      throw invalid("unseen_share: " + share, "0..1");
    }
    return new Control(
        decoding.hasSampling() ? sampling(decoding.getSampling()) : null,
        quotas(decoding.getQuotasList()),
        share,
        decoding.hasLoadWidth() ? loadWidth(decoding.getLoadWidth()) : null);
  }

  private static Sampling sampling(io.espalier.retrieval.v1.Sampling sampling) {
    double temperature = sampling.getTemperature();
    if (!(temperature >= LEAST_TEMPERATURE && temperature <= MOST_TEMPERATURE)) {
      throw invalid(
          "sampling.temperature: " + temperature, LEAST_TEMPERATURE + ".." + MOST_TEMPERATURE);
    }
    return new Sampling(temperature, sampling.getSeed());
  }

  private static List<Quota> quotas(List<PrefixQuota> given) {
    List<Quota> quotas = new ArrayList<>();
    for (PrefixQuota quota : given) {
      if (quota.getLength() < 1) {
        throw invalid("quotas: length " + quota.getLength(), ">= 1");
      }
      if (quota.getMost() < 1 || quota.getMost() > Question.MAX_K) {
        throw invalid("quotas: most " + quota.getMost(), "1.." + Question.MAX_K);
      }
      if (quotas.stream().anyMatch(other -> other.length() == quota.getLength())) {
        throw invalid("quotas: length " + quota.getLength() + " twice", "one quota a length");
      }
      quotas.add(new Quota(quota.getLength(), quota.getMost()));
    }
    quotas.sort(Comparator.comparingInt(Quota::length));
    return quotas;
  }

  private static @Nullable LoadWidth loadWidth(io.espalier.retrieval.v1.LoadWidth bounds) {
    int least = bounds.getLeast();
    if (least < 1 || least > Question.MAX_BEAM_WIDTH) {
      throw invalid("load_width.least: " + least, "1.." + Question.MAX_BEAM_WIDTH);
    }
    int searches = bounds.getSearches();
    if (searches < 0 || searches > MAX_SEARCHES) {
      throw invalid("load_width.searches: " + searches, "0.." + MAX_SEARCHES);
    }
    return new LoadWidth(least, searches);
  }

  private static RequestException invalid(String value, String expected) {
    return RequestException.invalidArgument("decoding: " + value + " (expected: " + expected + ")");
  }
}

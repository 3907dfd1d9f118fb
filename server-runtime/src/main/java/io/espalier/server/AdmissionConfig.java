package io.espalier.server;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Whom a server lets in when more is asked of it than it can do.
 *
 * @param adaptive whether the number of calls in progress follows how long they take; else it is
 *     bounded by {@code max_concurrent_calls} alone
 * @param target how much of its objective the slowest twentieth of the calls may take before the
 *     limit falls, in (0, 1]
 * @param leastCalls the limit does not fall below this
 * @param tenant what a tenant has that is not listed
 * @param tenants what the others have, by name
 */
public record AdmissionConfig(
    boolean adaptive,
    double target,
    int leastCalls,
    TenantConfig tenant,
    Map<String, TenantConfig> tenants) {

  public AdmissionConfig {
    if (!(target > 0 && target <= 1)) {
      throw new IllegalArgumentException(
          "target: %s (expected: 0 < target <= 1)".formatted(target));
    }
    if (leastCalls < 1 || leastCalls > 10_000) {
      throw new IllegalArgumentException(
          "least_calls: %d (expected: 1..10000)".formatted(leastCalls));
    }
    tenants = Map.copyOf(tenants);
  }

  /** A fixed limit, and tenants that are equals without quotas. */
  public static AdmissionConfig defaults() {
    return new AdmissionConfig(false, .7, 2, new TenantConfig(1, 0, 0), Map.of());
  }

  TenantConfig of(String name) {
    return tenants.getOrDefault(name, tenant);
  }

  /**
   * What a tenant may have.
   *
   * @param weight its share beside those of the others, while there is not enough for all; &gt; 0
   * @param rate calls a second that it may make however idle the server is; 0: any number
   * @param burst calls beyond the rate that it may make at once; 0: as many as in a second
   */
  public record TenantConfig(double weight, double rate, double burst) {
    public TenantConfig {
      if (!(weight > 0) || weight > 1e6) {
        throw new IllegalArgumentException(
            "weight: %s (expected: > 0, at most 1000000)".formatted(weight));
      }
      if (!(rate >= 0) || rate > 1e9) {
        throw new IllegalArgumentException("rate: %s (expected: >= 0)".formatted(rate));
      }
      if (!(burst >= 0) || burst > 1e9) {
        throw new IllegalArgumentException("burst: %s (expected: >= 0)".formatted(burst));
      }
    }

    /** From a file, where what is missing is as usual. */
    @JsonCreator
    static TenantConfig read(
        @JsonProperty("weight") @Nullable Double weight,
        @JsonProperty("rate") @Nullable Double rate,
        @JsonProperty("burst") @Nullable Double burst) {
      return new TenantConfig(
          weight == null ? 1 : weight, rate == null ? 0 : rate, burst == null ? 0 : burst);
    }

    double depth() {
      return burst > 0 ? burst : Math.max(1, rate);
    }
  }
}

package io.espalier.retrieval;

import io.espalier.retrieval.Control.Quota;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Quotas over a list that grows from best to worst. */
final class QuotaCounts {
  private final List<Quota> quotas;
  private final Map<List<Integer>, Integer> taken = new HashMap<>();

  QuotaCounts(List<Quota> quotas) {
    this.quotas = quotas;
  }

  /** The shortest prefix's quota that leaves no room for these codes; empty when there is room. */
  Optional<Quota> full(List<Integer> codes) {
    return quotas.stream()
        .filter(quota -> quota.length() <= codes.size())
        .filter(quota -> taken.getOrDefault(codes.subList(0, quota.length()), 0) >= quota.most())
        .findFirst();
  }

  /** Takes these codes into the list if there is room for them. */
  boolean admit(List<Integer> codes) {
    if (full(codes).isPresent()) {
      return false;
    }
    for (Quota quota : quotas) {
      if (quota.length() <= codes.size()) {
        taken.merge(codes.subList(0, quota.length()), 1, Integer::sum);
      }
    }
    return true;
  }
}

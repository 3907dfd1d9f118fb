package io.espalier.retrieval;

import io.espalier.retrieval.Control.Quota;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntPredicate;

/**
 * TIGER's cold start: items that the model was never trained on join a list, those that share all
 * codes but the last with a beam, until a share of the list is such items. Those that the beams
 * themselves ended in count, and stay.
 */
final class UnseenItems {
  private static final double ROUNDING = 1e-9;

  private UnseenItems() {}

  /**
   * A list of items, those that were added last.
   *
   * @param added how many of the last were added
   */
  record Listed(List<BeamItem> items, int added) {}

  /**
   * Adds unseen items to the list of a search that has ended.
   *
   * @param k the most items of the list; the last that are not unseen make room
   * @param share of the list, 0..1, above which none is added
   * @param unseen whether the model was never trained on an item, by index
   */
  static Listed list(
      BeamSearch search, int k, double share, List<Quota> quotas, IntPredicate unseen) {
    List<BeamItem> found = search.best(k);
    int most = (int) Math.floor(share * k + ROUNDING);
    if (most == 0) {
      return new Listed(found, 0);
    }
    Set<Integer> listed = new HashSet<>();
    found.forEach(item -> listed.add(item.item()));
    int there = (int) found.stream().filter(item -> unseen.test(item.item())).count();
    List<BeamItem> candidates =
        search.siblings(item -> !listed.contains(item) && unseen.test(item));
    int wanted = Math.min(most - there, candidates.size());
    if (wanted <= 0) {
      return new Listed(found, 0);
    }
    Set<BeamItem> makingRoom = new HashSet<>();
    for (int i = found.size() - 1; i >= 0 && found.size() - makingRoom.size() + wanted > k; i--) {
      if (!unseen.test(found.get(i).item())) {
        makingRoom.add(found.get(i));
      }
    }
    QuotaCounts counts = new QuotaCounts(quotas);
    found.stream()
        .filter(item -> !makingRoom.contains(item))
        .forEach(item -> counts.admit(item.beam().codes()));
    List<BeamItem> added = new ArrayList<>();
    for (BeamItem candidate : candidates) {
      if (added.size() < wanted && counts.admit(candidate.beam().codes())) {
        added.add(candidate);
      }
    }
    // Quotas may have left room that was made.
    List<BeamItem> kept = new ArrayList<>();
    int room = k - (found.size() - makingRoom.size()) - added.size();
    for (BeamItem item : found) {
      if (!makingRoom.contains(item)) {
        kept.add(item);
      } else if (room > 0 && counts.admit(item.beam().codes())) {
        kept.add(item);
        room--;
      }
    }
    while (!added.isEmpty()
        && there + added.size() > share * (kept.size() + added.size()) + ROUNDING) {
      added.removeLast();
    }
    kept.addAll(added);
    return new Listed(kept, added.size());
  }
}

package io.espalier.retrieval;

import io.espalier.retrieval.Verdict.Fate;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Follows one item through a beam search. */
final class ItemTrace {
  private final Question question;
  private final int item;
  private final int[] semanticId;
  private final int width;

  /**
   * Of an item.
   *
   * @param item its index
   * @param width the search's beams
   */
  ItemTrace(Question question, int item, int[] semanticId, int width) {
    this.question = question;
    this.item = item;
    this.semanticId = semanticId;
    this.width = width;
  }

  /**
   * What becomes of the item.
   *
   * @param search not yet run
   * @param list of the search once it has run
   */
  Verdict follow(BeamSearch search, Supplier<UnseenItems.Listed> list) {
    Optional<BeamSearch.Pruned> pruned = search.trace(semanticId);
    if (pruned.isPresent() && pruned.get().level() < semanticId.length - 1) {
      return pruned(pruned.get());
    }
    UnseenItems.Listed listed = list.get();
    int rank = rank(listed.items());
    if (rank >= 0) {
      Verdict kept = Verdict.ranked(rank, question.k());
      return rank < listed.items().size() - listed.added()
          ? kept
          : new Verdict(kept.fate(), kept.detail() + ", added as unseen", 0, rank);
    }
    return pruned.isPresent() ? pruned(pruned.get()) : outranked(search.all());
  }

  private Verdict pruned(BeamSearch.Pruned pruned) {
    String why = pruned.quota() == 0 ? " of beams " + width : full(pruned.quota());
    return Verdict.pruned(semanticId, pruned, why + drawn());
  }

  /** A beam ended in the item, and the list had no place for it. */
  private Verdict outranked(List<BeamItem> all) {
    int rank = rank(all);
    QuotaCounts counts = new QuotaCounts(question.control().quotas());
    all.subList(0, rank).forEach(before -> counts.admit(before.beam().codes()));
    String detail =
        counts
            .full(all.get(rank).beam().codes())
            .map(quota -> "rank " + rank + full(quota.length()))
            .orElse(
                rank < question.k()
                    ? "rank " + rank + ", made room for unseen items"
                    : Verdict.ranked(rank, question.k()).detail());
    return new Verdict(Fate.OUTRANKED, detail + drawn(), 0, rank);
  }

  private String full(int length) {
    for (Control.Quota quota : question.control().quotas()) {
      if (quota.length() == length) {
        return "; the quota of %d under %s was full".formatted(quota.most(), prefix(length));
      }
    }
    throw new IllegalArgumentException("length: " + length + " (expected: a quota's)");
  }

  private String drawn() {
    Control.@Nullable Sampling sampling = question.control().sampling();
    return sampling == null ? "" : ", drawn with seed " + sampling.seed();
  }

  private String prefix(int length) {
    return Arrays.toString(Arrays.copyOf(semanticId, length));
  }

  private int rank(List<BeamItem> items) {
    for (int rank = 0; rank < items.size(); rank++) {
      if (items.get(rank).item() == item) {
        return rank;
      }
    }
    return -1;
  }
}

package io.espalier.router;

import io.espalier.events.v1.EventRecord;
import io.espalier.events.v1.Impression;
import io.espalier.events.v1.ServedFeature;
import io.espalier.events.v1.ShownItem;
import io.espalier.events.v1.ShownSource;
import io.espalier.ranking.v1.ScorePart;
import io.espalier.router.events.EventCodec;
import io.espalier.router.events.EventJournal;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Tells the event log of every page: what was shown, from where, and what the ranker served. */
final class Impressions {
  private final @Nullable EventJournal journal;

  Impressions(@Nullable EventJournal journal) {
    this.journal = journal;
  }

  /**
   * A page was answered. What it is made of does not change any more, so that the record is made
   * behind the request.
   *
   * @param from the place of its first item in the list
   * @param count its items
   */
  void shown(
      Question question, Route route, PinnedLists.Pinned list, int from, int count, Instant asked) {
    if (journal != null) {
      String user = question.user().getId();
      String query = question.query();
      String name = route.name();
      journal.offer(user, asked, () -> record(user, query, name, list, from, count, asked));
    }
  }

  private static EventRecord record(
      String user,
      String query,
      String route,
      PinnedLists.Pinned list,
      int from,
      int count,
      Instant asked) {
    Impression.Builder page =
        Impression.newBuilder()
            .setRequestId(list.requestId())
            .setTime(EventCodec.timestamp(asked))
            .setUserId(user)
            .setQuery(query)
            .setRoute(route)
            .setArm(list.arm())
            .setCatalogOffset(list.catalogOffset())
            .addAllHistory(list.evidence().history())
            .setRanker(list.evidence().ranker());
    list.bundles().forEach(bundle -> page.addBundles(bundle.getName() + "@" + bundle.getVersion()));
    list.rewrites().forEach(rewrite -> page.addRewrites(rewrite.getText()));
    list.degradations()
        .forEach(
            degradation ->
                page.addDegradations(
                    degradation.getStage()
                        + ": "
                        + degradation.getReason().name().replace("DEGRADATION_REASON_", "")));
    for (int position = from; position < from + count; position++) {
      page.addItems(
          item(list.items().get(position), position, list.evidence().propensities().get(position)));
    }
    return EventRecord.newBuilder().setImpression(page).build();
  }

  private static ShownItem item(ListItem item, int position, double propensity) {
    ShownItem.Builder shown =
        ShownItem.newBuilder()
            .setItemId(item.id())
            .setPosition(position)
            .setScore(item.score())
            .setScoreKind(item.kind())
            .addAllRules(item.rules());
    if (!Double.isNaN(propensity)) {
      shown.setPropensity(propensity);
    }
    for (ListItem.Hit hit : item.hits()) {
      shown.addSources(
          ShownSource.newBuilder()
              .setSource(hit.list().bundle())
              .setRank(hit.rank())
              .setScore(hit.candidate().getScore())
              .setScoreKind(hit.list().kind())
              .setBestScore(hit.list().bestScore())
              .setRewrite(hit.list().rewrite())
              .addAllSemanticId(hit.candidate().getSemanticIdList()));
    }
    for (ScorePart part : item.parts()) {
      shown.addFeatures(
          ServedFeature.newBuilder()
              .setName(part.getName())
              .setValue(part.getValue())
              .setIsDefault(part.getIsDefault()));
    }
    return shown.build();
  }
}

package io.espalier.loadtest.live;

import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.catalog.v1.Range;
import io.espalier.events.v1.Event;
import io.espalier.retrieval.v1.RetrieveRequest;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * What is asked of a catalogue: histories of 1 to 20 items, a limit of the price in every other.
 */
final class Questions {
  private static final int DISTINCT = 4096;
  private static final int K = 20;
  private static final int LONGEST_HISTORY = 20;
  private static final List<Double> PRICES = List.of(25., 50., 100., 150.);

  private final List<RetrieveRequest> requests;

  Questions(int items, long seed) {
    // Not the arrivals' own numbers.
    Random random = new Random(~seed);
    this.requests =
        IntStream.range(0, DISTINCT).mapToObj(number -> request(number, items, random)).toList();
  }

  private static RetrieveRequest request(int number, int items, Random random) {
    List<String> history =
        random
            .ints(1 + random.nextInt(LONGEST_HISTORY), 0, items)
            .mapToObj(SyntheticCatalogue::id)
            .toList();
    RetrieveRequest.Builder request =
        toBundle().setK(K).addAllHistory(history).addAllExclude(history);
    if (number % 2 == 1) {
      double most = PRICES.get(random.nextInt(PRICES.size()));
      request.setFilter(
          Filter.newBuilder().setRange(Range.newBuilder().setAttribute("price").setMax(most)));
    }
    return request.build();
  }

  private static RetrieveRequest.Builder toBundle() {
    return RetrieveRequest.newBuilder()
        .setBundle(SyntheticCatalogue.BUNDLE.name())
        .setBundleVersion(SyntheticCatalogue.BUNDLE.version());
  }

  /** The question with a number, from 0. */
  RetrieveRequest get(int number) {
    return requests.get(number % DISTINCT);
  }

  /** The same question to a router: items of the history are left out by the route. */
  RecommendRequest routed(int number) {
    RetrieveRequest question = get(number);
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    question
        .getHistoryList()
        .forEach(
            item -> request.getUserBuilder().addRecentEvents(Event.newBuilder().setItemId(item)));
    ListOptions.Builder options =
        ListOptions.newBuilder().setRoute(SyntheticCatalogue.ROUTE).setPageSize(question.getK());
    if (question.hasFilter()) {
      options.setFilter(question.getFilter());
    }
    return request.setOptions(options).build();
  }

  /** Asks for one item alone, which is in the answer exactly when the catalogue has it. */
  static RetrieveRequest only(int item) {
    String id = SyntheticCatalogue.id(item);
    return toBundle()
        .setK(1)
        .addHistory(SyntheticCatalogue.id(0))
        .setFilter(Filter.newBuilder().setIds(ItemIds.newBuilder().addIds(id)))
        .build();
  }
}

package io.espalier.router;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.Message;
import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.ItemIds;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.SearchRequest;
import io.espalier.server.RequestException;
import org.junit.jupiter.api.Test;

class RequestValidatorTest {
  private static final RequestValidator VALIDATOR = new RequestValidator();

  private static void assertRefused(Message request, String start, String... parts) {
    assertThatThrownBy(() -> VALIDATOR.check(request))
        .isInstanceOf(RequestException.class)
        .hasMessageStartingWith(start)
        .hasMessageContainingAll(parts);
  }

  @Test
  void check_numberOutOfRange_namesFieldValueAndRange() {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    request.getOptionsBuilder().setPageSize(1_000_000);
    assertRefused(request.build(), "options.page_size: 1000000 (expected: ", "int32.");
  }

  @Test
  void check_longValue_isShownInPart() {
    SearchRequest request = SearchRequest.newBuilder().setQuery("🦊".repeat(513)).build();
    assertRefused(request, "query: 🦊", "(513 characters) (expected: ", "512", "string.max_len");
    VALIDATOR.check(request.toBuilder().setQuery("🦊".repeat(512)).build());
  }

  @Test
  void check_emptyText_saysSo() {
    assertRefused(SearchRequest.getDefaultInstance(), "query: empty (expected: ", "string.min_len");
  }

  @Test
  void check_elementOfAList_isNamedByItsPlace() {
    RecordEventsRequest.Builder request = RecordEventsRequest.newBuilder().setUserId("u");
    request.addEventsBuilder();
    assertRefused(request.build(), "events[0].", "_id: empty (expected: ", "string.min_len");
  }

  @Test
  void check_keyOfAMap_isSaidToBeAKey() {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    request.getOptionsBuilder().putContext("k".repeat(300), "v");
    assertRefused(request.build(), "options.context: key: kkk", "(300 characters)");
  }

  @Test
  void check_filterWithoutANode_isMissing() {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    request.getOptionsBuilder().setFilter(Filter.getDefaultInstance());
    assertRefused(request.build(), "options.filter.node: missing (expected: ", "required");
  }

  @Test
  void check_tooManyEntries_areCounted() {
    RecommendRequest.Builder request = RecommendRequest.newBuilder();
    for (int i = 0; i < 100; i++) {
      request.getOptionsBuilder().putContext("k" + i, "v");
    }
    assertRefused(request.build(), "options.context: 100 entries (expected: ", "map.max_pairs");
  }

  @Test
  void checkFilter_idTooLong_isNamedByItsPlace() {
    Filter filter =
        Filter.newBuilder()
            .setIds(ItemIds.newBuilder().addIds("a").addIds("b".repeat(257)))
            .build();
    assertThatThrownBy(() -> RequestValidator.checkFilter(filter))
        .hasMessageStartingWith("options.filter: ids[1]: bbb")
        .hasMessageEndingWith("(257 characters) (expected: 1 to 256 characters)");
  }
}

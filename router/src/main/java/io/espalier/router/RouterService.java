package io.espalier.router;

import io.espalier.router.v1.EraseUserRequest;
import io.espalier.router.v1.EraseUserResponse;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.RecommendResponse;
import io.espalier.router.v1.RecordEventsRequest;
import io.espalier.router.v1.RecordEventsResponse;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.SearchResponse;
import io.espalier.router.v1.WhyNotRequest;
import io.espalier.router.v1.WhyNotResponse;
import io.espalier.server.RequestException;
import io.grpc.stub.StreamObserver;

/** The router over gRPC: validates, asks the router, answers. */
final class RouterService extends RouterServiceGrpc.RouterServiceImplBase {
  private final RequestValidator validator;
  private final Router router;
  private final WhyNot whyNot;
  private final UserRecords records;

  RouterService(RequestValidator validator, Router router, WhyNot whyNot, UserRecords records) {
    this.validator = validator;
    this.router = router;
    this.whyNot = whyNot;
    this.records = records;
  }

  @Override
  public void search(SearchRequest request, StreamObserver<SearchResponse> observer) {
    validator.check(request);
    checkSearch(request);
    answer(observer, router.search(request));
  }

  @Override
  public void recommend(RecommendRequest request, StreamObserver<RecommendResponse> observer) {
    validator.check(request);
    checkOptions(request.getOptions());
    answer(observer, router.recommend(request));
  }

  @Override
  public void recordEvents(
      RecordEventsRequest request, StreamObserver<RecordEventsResponse> observer) {
    validator.check(request);
    answer(observer, records.record(request));
  }

  @Override
  public void eraseUser(EraseUserRequest request, StreamObserver<EraseUserResponse> observer) {
    validator.check(request);
    records.erase(request.getUserId());
    answer(observer, EraseUserResponse.getDefaultInstance());
  }

  @Override
  public void whyNot(WhyNotRequest request, StreamObserver<WhyNotResponse> observer) {
    validator.check(request);
    Question question;
    if (request.hasSearch()) {
      checkSearch(request.getSearch());
      question = Question.of(request.getSearch());
    } else {
      checkOptions(request.getRecommend().getOptions());
      question = Question.of(request.getRecommend());
    }
    if (!question.options().getPageToken().isEmpty()) {
      throw RequestException.invalidArgument(
          "page_token: set (expected: empty; the request is run anew and its whole list looked at)");
    }
    answer(observer, whyNot.ask(request.getItemId(), question));
  }

  private static void checkSearch(SearchRequest request) {
    if (request.getQuery().codePoints().noneMatch(RouterService::isText)) {
      throw RequestException.invalidArgument(
          "query: blank (expected: 1 to 512 characters of text)");
    }
    checkOptions(request.getOptions());
  }

  /** What is left of a query when it is normalised: neither blanks nor invisible characters. */
  private static boolean isText(int character) {
    return !Character.isWhitespace(character)
        && !Character.isSpaceChar(character)
        && !Character.isISOControl(character)
        && Character.getType(character) != Character.FORMAT;
  }

  private static void checkOptions(ListOptions options) {
    if (options.hasFilter()) {
      RequestValidator.checkFilter(options.getFilter());
    }
  }

  private static <T> void answer(StreamObserver<T> observer, T answer) {
    observer.onNext(answer);
    observer.onCompleted();
  }
}

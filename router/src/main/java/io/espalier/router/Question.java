package io.espalier.router;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import io.espalier.catalog.v1.Filter;
import io.espalier.events.v1.Event;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RecommendRequest;
import io.espalier.router.v1.SearchRequest;
import io.espalier.router.v1.User;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What is asked: a search or a feed request in one form.
 *
 * @param query empty for a feed
 */
record Question(Route.Kind kind, String query, User user, ListOptions options) {

  static Question of(SearchRequest request) {
    return new Question(
        Route.Kind.SEARCH, request.getQuery(), request.getUser(), request.getOptions());
  }

  static Question of(RecommendRequest request) {
    return new Question(Route.Kind.FEED, "", request.getUser(), request.getOptions());
  }

  List<Event> inlineEvents() {
    return user.getRecentEventsList();
  }

  Optional<Filter> filter() {
    return options.hasFilter() ? Optional.of(options.getFilter()) : Optional.empty();
  }

  boolean maskSeen(Route route) {
    return options.hasIncludeSeen() ? !options.getIncludeSeen() : route.maskSeen();
  }

  /**
   * What a page token is bound to: 16 bytes of SHA-256 over route, query, user id (or inline
   * events, where there is none), filter and whether seen items are masked. Page size and
   * explanation may change from page to page.
   */
  byte[] fingerprint(Route route) {
    try (ByteArrayOutputStream bytes = new ByteArrayOutputStream()) {
      CodedOutputStream out = CodedOutputStream.newInstance(bytes);
      out.useDeterministicSerialization();
      out.writeStringNoTag(kind.name());
      out.writeStringNoTag(route.name());
      out.writeStringNoTag(query);
      out.writeStringNoTag(user.getId());
      if (user.getId().isEmpty()) {
        // Who has no name is known by what he did.
        for (Event event : inlineEvents()) {
          out.writeStringNoTag(event.getItemId());
        }
      }
      out.writeBoolNoTag(maskSeen(route));
      out.writeBytesNoTag(filter().map(Filter::toByteString).orElse(ByteString.EMPTY));
      out.flush();
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(bytes.toByteArray());
      return Arrays.copyOf(hash, 16);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}

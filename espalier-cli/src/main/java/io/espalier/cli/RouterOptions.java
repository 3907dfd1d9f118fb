package io.espalier.cli;

import io.espalier.catalog.v1.Filter;
import io.espalier.catalog.v1.Operands;
import io.espalier.events.v1.Event;
import io.espalier.router.v1.ExplanationLevel;
import io.espalier.router.v1.ListOptions;
import io.espalier.router.v1.RouterServiceGrpc;
import io.espalier.router.v1.RouterServiceGrpc.RouterServiceBlockingStub;
import io.espalier.router.v1.User;
import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options that every question to a router shares, and the call itself. */
final class RouterOptions {
  @Option(
      names = "--target",
      paramLabel = "HOST:PORT",
      defaultValue = "127.0.0.1:7700",
      description = "The router (default: ${DEFAULT-VALUE}).")
  String target = "";

  @Option(
      names = "--deadline",
      paramLabel = "TIME",
      converter = Durations.class,
      description =
          "How long the answer may take, such as 200ms or 2s (default: the route's own budget).")
  @Nullable Duration deadline;

  @Mixin ClientOptions client = new ClientOptions();

  /** Options of a question that asks for a list. */
  static final class Wanted {
    @Option(
        names = "--route",
        defaultValue = "",
        description = "Name of the route (default: the router's default).")
    String route = "";

    @Option(
        names = "--page-size",
        paramLabel = "N",
        defaultValue = "10",
        description = "Items on a page, 1 to 500 (default: ${DEFAULT-VALUE}).")
    int pageSize;

    @Option(
        names = "--page-token",
        paramLabel = "TOKEN",
        defaultValue = "",
        description = "The next page of an earlier answer.")
    String pageToken = "";

    @Option(
        names = "--where",
        paramLabel = "FILTER",
        converter = FilterText.class,
        description =
            "Only such items: brand=Acme, color!=red, price<=50, stock>=1, color=red|blue. All"
                + " given must hold.")
    List<Filter> where = new ArrayList<>();

    @Option(
        names = "--history",
        paramLabel = "ITEM",
        split = ",",
        description = "The user's recent items, oldest first, instead of the stored ones: a,b,c.")
    List<String> history = new ArrayList<>();

    @Option(names = "--include-seen", description = "Items of the user's history may be returned.")
    boolean includeSeen;

    @Option(names = "--full", description = "Also every score behind each item.")
    boolean full;

    ListOptions toProto() {
      ListOptions.Builder options =
          ListOptions.newBuilder()
              .setRoute(route)
              .setPageSize(pageSize)
              .setPageToken(pageToken)
              .setExplanation(
                  full
                      ? ExplanationLevel.EXPLANATION_LEVEL_FULL
                      : ExplanationLevel.EXPLANATION_LEVEL_SUMMARY);
      if (includeSeen) {
        options.setIncludeSeen(true);
      }
      if (where.size() == 1) {
        options.setFilter(where.getFirst());
      } else if (!where.isEmpty()) {
        options.setFilter(Filter.newBuilder().setAllOf(Operands.newBuilder().addAllFilters(where)));
      }
      return options.build();
    }

    User user(String id) {
      User.Builder user = User.newBuilder().setId(id);
      history.forEach(item -> user.addRecentEvents(Event.newBuilder().setItemId(item)));
      return user.build();
    }
  }

  /** Makes one call over a channel of its own. */
  <T> T ask(Function<RouterServiceBlockingStub, T> call) {
    Caller caller = client.caller();
    ManagedChannel channel = ClientChannels.open(target, caller);
    try {
      RouterServiceBlockingStub stub = RouterServiceGrpc.newBlockingStub(channel);
      Duration limit = deadline;
      return call.apply(
          limit == null ? stub : stub.withDeadlineAfter(limit.toNanos(), TimeUnit.NANOSECONDS));
    } catch (StatusRuntimeException e) {
      if (e.getStatus().getCode() == Status.Code.UNAVAILABLE && e.getStatus().getCause() != null) {
        throw new ProgramException(
            ExitCode.UNREACHABLE,
            Caller.tlsFailure(e)
                .map(why -> "router at " + target + ": " + why)
                .orElse(
                    "router: none answers at "
                        + target
                        + " (expected: a running one; start it with ./espalier up)"));
      }
      throw e;
    } finally {
      channel.shutdownNow();
      caller.close();
    }
  }
}

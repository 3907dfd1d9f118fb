package io.espalier.cli;

import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.espalier.server.ReplicaAddress;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.opentelemetry.api.OpenTelemetry;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which servers are operated, one after the other: every replica behind each target. */
final class AdminTargets {
  // Routes are as large as a file may be.
  private static final int MAX_MESSAGE_BYTES = 16 << 20;

  @Option(
      names = "--target",
      paramLabel = "HOST:PORT",
      split = ",",
      description =
          "A server, or a name with an address for each of several; may be given again"
              + " (default: 127.0.0.1:7700).")
  List<String> targets = new ArrayList<>();

  @Mixin ClientOptions client = new ClientOptions();

  // What is asked first is what is changed then.
  private List<ReplicaAddress> replicas = List.of();

  List<ReplicaAddress> all() {
    if (replicas.isEmpty()) {
      Map<String, ReplicaAddress> found = new LinkedHashMap<>();
      for (String target : targets.isEmpty() ? List.of("127.0.0.1:7700") : targets) {
        try {
          ClientChannels.replicas(target)
              .forEach(replica -> found.putIfAbsent(replica.target(), replica));
        } catch (UnknownHostException e) {
          throw new ProgramException(
              ExitCode.UNREACHABLE,
              "--target: %s: unknown host (expected: servers behind it)".formatted(target));
        }
      }
      replicas = List.copyOf(found.values());
    }
    return replicas;
  }

  /** Makes calls to one of them over a channel of its own. */
  <T> T ask(ReplicaAddress replica, Function<Channel, T> call) {
    Caller caller = client.caller();
    ManagedChannel channel =
        ClientChannels.openReplica(replica, caller, MAX_MESSAGE_BYTES, OpenTelemetry.noop());
    try {
      return call.apply(channel);
    } catch (StatusRuntimeException e) {
      throw replicas.size() == 1 ? e : naming(replica, e);
    } finally {
      channel.shutdownNow();
      caller.close();
    }
  }

  /** The same failure with the words that a person is shown, and which of the servers it is of. */
  private static StatusRuntimeException naming(
      ReplicaAddress replica, StatusRuntimeException failure) {
    String detail = failure.getStatus().getDescription();
    String why = Caller.tlsFailure(failure).orElse(detail == null ? "no reason given" : detail);
    StatusRuntimeException named =
        failure
            .getStatus()
            .withDescription(replica.target() + ": " + why)
            .withCause(null)
            .asRuntimeException();
    named.addSuppressed(failure);
    return named;
  }
}

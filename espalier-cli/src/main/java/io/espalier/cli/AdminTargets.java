package io.espalier.cli;

import io.espalier.server.Caller;
import io.espalier.server.ClientChannels;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Which servers are operated, one after the other. */
final class AdminTargets {
  // Routes are as large as a file may be.
  private static final int MAX_MESSAGE_BYTES = 16 << 20;

  @Option(
      names = "--target",
      paramLabel = "HOST:PORT",
      split = ",",
      description = "A server; may be given again, for each of several (default: 127.0.0.1:7700).")
  List<String> targets = new ArrayList<>();

  @Mixin ClientOptions client = new ClientOptions();

  List<String> all() {
    return targets.isEmpty() ? List.of("127.0.0.1:7700") : targets;
  }

  /** Makes calls to one of them over a channel of its own. */
  <T> T ask(String target, Function<Channel, T> call) {
    Caller caller = client.caller();
    ManagedChannel channel = ClientChannels.open(target, caller, MAX_MESSAGE_BYTES);
    try {
      return call.apply(channel);
    } finally {
      channel.shutdownNow();
      caller.close();
    }
  }
}

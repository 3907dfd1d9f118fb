package io.espalier.cli.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.espalier.server.ClientChannels;
import io.espalier.server.ReplicaAddress;
import io.espalier.server.RequestException;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ReplicaChannelsTest {
  private final List<ReplicaAddress> opened = new ArrayList<>();

  private ReplicaChannels channels(String target) {
    return new ReplicaChannels(
        target,
        replica -> {
          opened.add(replica);
          return ClientChannels.open("in-process:nobody");
        });
  }

  @Test
  void get_listOfReplicas_hasAChannelToEachAndKeepsIt() {
    try (ReplicaChannels channels = channels("127.0.0.1:7701,127.0.0.2:7701")) {
      Map<String, Channel> first = channels.get();
      assertThat(first).containsOnlyKeys("127.0.0.1:7701", "127.0.0.2:7701");
      assertThat(channels.get()).isEqualTo(first);
      assertThat(opened).hasSize(2);
      channels.close();
      assertThat(first.values())
          .allSatisfy(channel -> assertThat(((ManagedChannel) channel).isShutdown()).isTrue());
    }
  }

  @Test
  void get_nameWithTwoAddresses_hasAChannelToEachUnderItsName() {
    try (ReplicaChannels channels = channels("dns:///two-replicas.test:7701")) {
      assertThat(channels.get()).containsOnlyKeys("127.0.0.1:7701", "127.0.0.2:7701");
      assertThat(opened)
          .containsExactly(
              new ReplicaAddress("127.0.0.1:7701", "two-replicas.test:7701"),
              new ReplicaAddress("127.0.0.2:7701", "two-replicas.test:7701"));
    }
  }

  @Test
  void get_oneOfTheNamesIsUnknown_isUnavailable() {
    try (ReplicaChannels channels = channels("127.0.0.1:7701,nobody.test:7701")) {
      assertThatThrownBy(channels::get)
          .isInstanceOf(RequestException.class)
          .hasMessageContaining("unknown host nobody.test");
    }
  }
}

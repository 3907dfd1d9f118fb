package io.espalier.server;

import static io.grpc.ConnectivityState.CONNECTING;
import static io.grpc.ConnectivityState.IDLE;
import static io.grpc.ConnectivityState.READY;
import static io.grpc.ConnectivityState.TRANSIENT_FAILURE;

import com.google.common.base.Ticker;
import com.google.common.hash.Hashing;
import io.grpc.ClientStreamTracer;
import io.grpc.ConnectivityState;
import io.grpc.Deadline;
import io.grpc.LoadBalancer;
import io.grpc.LoadBalancerProvider;
import io.grpc.Metadata;
import io.grpc.NameResolver.ConfigOrError;
import io.grpc.Status;
import io.grpc.util.MultiChildLoadBalancer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Spreads a channel's calls over the replicas that it is connected to: each to the one with the
 * fewest under way, or, where the channel heeds {@link Affinity}, to the one that its key is
 * nearest to (highest random weight: a replica more or less moves only its own keys).
 *
 * <p>A replica that does not answer is left alone for a while ({@link ReplicaHealth}), unless none
 * does: then all are asked. A call waits for a connection only while none stands and one is being
 * made; when every replica is away it fails at once.
 */
final class ReplicaBalancer extends MultiChildLoadBalancer {
  static final String POLICY = "espalier_replicas";
  static final String BY_KEY = "byKey";

  private static final Logger log = LoggerFactory.getLogger(ReplicaBalancer.class);

  private boolean byKey;

  private ReplicaBalancer(Helper helper) {
    super(helper);
  }

  /** Makes the balancers of channels whose service config names {@link #POLICY}. */
  static final class Provider extends LoadBalancerProvider {
    @Override
    public boolean isAvailable() {
      return true;
    }

    @Override
    public int getPriority() {
      return 5;
    }

    @Override
    public String getPolicyName() {
      return POLICY;
    }

    @Override
    public LoadBalancer newLoadBalancer(Helper helper) {
      return new ReplicaBalancer(helper);
    }

    @Override
    public ConfigOrError parseLoadBalancingPolicyConfig(Map<String, ?> config) {
      return ConfigOrError.fromConfig(Boolean.TRUE.equals(config.get(BY_KEY)));
    }
  }

  @Override
  public Status acceptResolvedAddresses(ResolvedAddresses addresses) {
    byKey = Boolean.TRUE.equals(addresses.getLoadBalancingPolicyConfig());
    return super.acceptResolvedAddresses(addresses);
  }

  @Override
  protected ChildLbState createChildLbState(Object key) {
    return new Replica(key);
  }

  private final class Replica extends ChildLbState {
    final ReplicaHealth health = new ReplicaHealth(Ticker.systemTicker());
    final long place;

    Replica(Object key) {
      super(key, pickFirstLbProvider);
      this.place =
          Hashing.murmur3_128().hashString(key.toString(), StandardCharsets.UTF_8).asLong();
    }

    @Override
    protected ChildLbStateHelper createChildHelper() {
      return new ChildLbStateHelper() {
        @Override
        public void updateBalancingState(ConnectivityState state, SubchannelPicker picker) {
          super.updateBalancingState(state, picker);
          // Left to itself, one whose connection ended waits for a call before it makes another.
          if (state == IDLE && !resolvingAddresses) {
            getLb().requestConnection();
          }
        }
      };
    }
  }

  @Override
  protected void updateOverallBalancingState() {
    List<Choice> ready = new ArrayList<>();
    List<SubchannelPicker> failing = new ArrayList<>();
    boolean connecting = false;
    for (ChildLbState child : getChildLbStates()) {
      Replica replica = (Replica) child;
      ConnectivityState state = child.getCurrentState();
      if (state == READY) {
        ready.add(
            new Choice(
                child.getKey().toString(),
                child.getCurrentPicker(),
                replica.health,
                replica.place));
        continue;
      }
      replica.health.forget();
      if (state == TRANSIENT_FAILURE) {
        failing.add(child.getCurrentPicker());
      } else {
        connecting = true;
      }
    }
    if (!ready.isEmpty()) {
      update(READY, new Picker(List.copyOf(ready), byKey));
    } else if (connecting || failing.isEmpty()) {
      update(CONNECTING, new FixedResultPicker(PickResult.withNoResult()));
    } else {
      // Says why: any of them does.
      update(TRANSIENT_FAILURE, failing.getFirst());
    }
  }

  private void update(ConnectivityState state, SubchannelPicker picker) {
    currentConnectivityState = state;
    getHelper().updateBalancingState(state, picker);
  }

  /** A replica that is connected. */
  private record Choice(String name, SubchannelPicker picker, ReplicaHealth health, long place) {
    /** High for few keys alone, which are others for each replica. */
    long nearness(long key) {
      long mixed = key ^ place;
      mixed = (mixed ^ (mixed >>> 33)) * 0xff51afd7ed558ccdL;
      mixed = (mixed ^ (mixed >>> 33)) * 0xc4ceb9fe1a85ec53L;
      return mixed ^ (mixed >>> 33);
    }
  }

  private static final class Picker extends SubchannelPicker {
    private final List<Choice> choices;
    private final boolean byKey;

    Picker(List<Choice> choices, boolean byKey) {
      this.choices = choices;
      this.byKey = byKey;
    }

    @Override
    public PickResult pickSubchannel(PickSubchannelArgs args) {
      Choice choice = choose(byKey ? args.getCallOptions().getOption(Affinity.KEY) : null);
      PickResult result = choice.picker().pickSubchannel(args);
      return result.getSubchannel() == null
          ? result
          : result.copyWithStreamTracerFactory(new Watching(choice));
    }

    private Choice choose(@Nullable Long key) {
      for (Choice choice : choices) {
        if (choices.size() > 1 && choice.health().wantsTry()) {
          return choice;
        }
      }
      // From anywhere, so that the first does not get all calls of a channel with nothing to do.
      int first = ThreadLocalRandom.current().nextInt(choices.size());
      Choice best = choices.get(first);
      for (int i = 1; i < choices.size(); i++) {
        Choice other = choices.get((first + i) % choices.size());
        if (better(other, best, key)) {
          best = other;
        }
      }
      return best;
    }

    private static boolean better(Choice one, Choice other, @Nullable Long key) {
      boolean paused = one.health().paused();
      if (paused != other.health().paused()) {
        return !paused;
      }
      return key == null
          ? one.health().underWay() < other.health().underWay()
          : one.nearness(key) > other.nearness(key);
    }
  }

  /** Follows the calls to a replica to their ends. */
  private static final class Watching extends ClientStreamTracer.Factory {
    private final Choice choice;

    Watching(Choice choice) {
      this.choice = choice;
    }

    @Override
    public ClientStreamTracer newClientStreamTracer(
        ClientStreamTracer.StreamInfo info, Metadata headers) {
      choice.health().started();
      return new Call(choice, info.getCallOptions().getDeadline());
    }
  }

  private static final class Call extends ClientStreamTracer {
    private final Choice choice;
    private final long started = System.nanoTime();
    private final long allotted;
    private final AtomicBoolean ended = new AtomicBoolean();
    private volatile boolean heard;

    Call(Choice choice, @Nullable Deadline deadline) {
      this.choice = choice;
      this.allotted =
          deadline == null ? Long.MAX_VALUE : deadline.timeRemaining(TimeUnit.NANOSECONDS);
    }

    @Override
    public void inboundHeaders() {
      heard = true;
    }

    @Override
    public void streamClosed(Status status) {
      if (!ended.compareAndSet(false, true)) {
        return;
      }
      ReplicaHealth health = choice.health();
      switch (status.getCode()) {
        case UNAVAILABLE, INTERNAL, UNKNOWN, DATA_LOSS, UNIMPLEMENTED -> fault(health, status);
        case DEADLINE_EXCEEDED, CANCELLED -> {
          // Of one that was given little time nobody knows what it would have done.
          if (heard || System.nanoTime() - started < allotted / 2) {
            health.left();
          } else {
            fault(health, status);
          }
        }
        default -> health.answered();
      }
    }

    private void fault(ReplicaHealth health, Status status) {
      if (health.failed()) {
        log.warn(
            "{} does not answer ({}): left alone for a while", choice.name(), status.getCode());
      }
    }
  }
}

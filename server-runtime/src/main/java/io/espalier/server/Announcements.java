package io.espalier.server;

import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What of a server is ready beside its services, for whoever asks its health by name: SERVING for
 * what is announced, NOT_FOUND for the rest.
 */
public final class Announcements {
  // Guarded by this, as is what follows.
  private final Set<String> announced = new HashSet<>();
  private @Nullable HealthStatusManager health;

  /** Announces these names and no others; health answers so when this returns. */
  public synchronized void announce(Set<String> names) {
    HealthStatusManager told = health;
    if (told != null) {
      announced.stream().filter(name -> !names.contains(name)).forEach(told::clearStatus);
      names.forEach(name -> told.setStatus(name, ServingStatus.SERVING));
    }
    announced.clear();
    announced.addAll(names);
  }

  /** Tells a server's health from now on. */
  synchronized void tell(HealthStatusManager told) {
    announced.forEach(name -> told.setStatus(name, ServingStatus.SERVING));
    health = told;
  }
}

package io.espalier.stores.kafka;

import io.espalier.stores.log.LogException;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;

/** What Kafka's failures are to those who use a log. */
final class KafkaFailures {
  private KafkaFailures() {}

  /** A failure, told by what was being done where. */
  static LogException of(KafkaAddress address, String doing, Duration patience, Exception failure) {
    Throwable cause = failure;
    // The clients wrap what happened to them while they were made, and futures what they end with.
    while (cause.getCause() != null
        && (cause instanceof ExecutionException || cause.getClass() == KafkaException.class)) {
      cause = cause.getCause();
    }
    String why =
        switch (cause) {
          case TimeoutException e -> "no answer within " + patience.toMillis() + " ms";
          case java.util.concurrent.TimeoutException e ->
              "no answer within " + patience.toMillis() + " ms";
          case AuthenticationException e -> "the broker does not accept who we are";
          case AuthorizationException e -> "the broker does not allow it";
          default -> cause.getClass().getSimpleName();
        };
    if (cause instanceof InterruptException) {
      Thread.currentThread().interrupt();
    }
    return new LogException(
        "%s: %s: %s: %s".formatted(address, doing, why, cause.getMessage()), failure);
  }
}

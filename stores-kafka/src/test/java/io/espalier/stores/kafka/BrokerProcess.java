package io.espalier.stores.kafka;

import java.io.IOException;
import kafka.Kafka;

/** A broker in a process of its own, which ends with the process that started it. */
final class BrokerProcess {
  private BrokerProcess() {}

  public static void main(String[] args) {
    Thread.ofPlatform()
        .daemon()
        .start(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // Nothing is said to it.
                }
              } catch (IOException e) {
                // As good as the end.
              }
              Runtime.getRuntime().halt(1);
            });
    Kafka.main(args);
  }
}

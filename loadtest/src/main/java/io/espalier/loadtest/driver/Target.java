package io.espalier.loadtest.driver;

import java.util.function.Consumer;

/** What a load is sent to. */
@FunctionalInterface
public interface Target {
  /**
   * Sends a request and returns without waiting for the answer.
   *
   * @param number the request's place in the run, from 0
   * @param done is told once what came of it, by any thread; at a deadline at the latest
   */
  void send(int number, Consumer<Outcome> done);
}

package io.espalier.loadtest.shapes;

import io.espalier.loadtest.driver.Latencies;
import io.espalier.loadtest.driver.Requests;
import java.time.Duration;

/**
 * A run of a shape.
 *
 * @param name of the shape
 * @param base the base rate, in requests a second
 * @param length for how long requests were due
 */
public record ShapeRun(String name, Shape shape, double base, Duration length, Requests requests) {
  /** How many requests a second should be due at a time, in seconds since the start. */
  double planned(double seconds) {
    return base * shape.times(seconds, length);
  }

  /** Times of the requests of a kind. */
  Latencies latencies(Asked asked) {
    return requests.latencies(request -> shape.asked(request) == asked);
  }
}

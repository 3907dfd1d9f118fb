package io.espalier.loadtest.shapes;

import io.espalier.loadtest.driver.Requests;
import java.time.Duration;
import java.util.function.IntPredicate;

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

  /** Which requests are of a kind. */
  IntPredicate of(Asked asked) {
    return request -> shape.asked(request) == asked;
  }
}

package io.espalier.loadtest.driver;

/** What came of a request. */
public enum Outcome {
  /** Answered in full. */
  OK,
  /** Answered, with something left out. */
  DEGRADED,
  /** Not answered. */
  FAILED
}

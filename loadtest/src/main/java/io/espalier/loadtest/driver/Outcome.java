package io.espalier.loadtest.driver;

/** What came of a request. */
public enum Outcome {
  /** Answered in full. */
  OK,
  /** Answered, with something left out. */
  DEGRADED,
  /** Refused for load, before anything was done for it. */
  REFUSED,
  /** Not answered. */
  FAILED
}

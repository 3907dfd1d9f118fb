package io.espalier.stores.features;

/** How a look-up of rows at a server ended. */
public enum FetchOutcome {
  /** All rows were known from before; the server was not asked. */
  CACHED,
  /** The server answered. */
  FETCHED,
  /** It did not in the time that it was given. */
  LATE,
  /** It is away, refused, or does not have the table. */
  FAILED
}

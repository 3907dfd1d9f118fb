package io.espalier.stores.catalog;

/**
 * One line of a query log.
 *
 * @param split which part of the log it belongs to
 * @param query the query as it was typed
 * @param count how often it was typed before that purchase
 * @param boughtId external id of the item that was bought; empty when none was
 */
public record LoggedQuery(Split split, String query, int count, String boughtId) {

  /** A part of the log. */
  public enum Split {
    TRAIN,
    TEST
  }
}

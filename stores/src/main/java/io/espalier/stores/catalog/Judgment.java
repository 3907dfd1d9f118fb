package io.espalier.stores.catalog;

/**
 * How well an item answers a query.
 *
 * @param query the query as it was typed
 * @param itemId external id
 * @param grade from 0, irrelevant, to 3, exact
 */
public record Judgment(String query, String itemId, int grade) {}

package io.espalier.catalog;

/**
 * A change and its place in the log.
 *
 * @param offset above that of the change before it
 * @param change the change
 */
public record LoggedChange(long offset, CatalogChange change) {}

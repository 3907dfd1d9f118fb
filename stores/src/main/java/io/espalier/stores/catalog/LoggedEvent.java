package io.espalier.stores.catalog;

import io.espalier.stores.users.EventKind;
import java.time.Instant;
import java.util.OptionalInt;

/**
 * One line of an event log.
 *
 * @param user external id of the user
 * @param time when it happened
 * @param kind what happened
 * @param itemId external id of the item
 * @param query the query that led to it; empty when none did
 * @param position in the list that was shown, from 0; empty when no list was
 * @param clicked whether what was shown was clicked
 */
public record LoggedEvent(
    String user,
    Instant time,
    EventKind kind,
    String itemId,
    String query,
    OptionalInt position,
    boolean clicked) {}

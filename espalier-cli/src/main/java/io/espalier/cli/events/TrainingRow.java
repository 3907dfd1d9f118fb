package io.espalier.cli.events;

import io.espalier.events.v1.EventKind;
import io.espalier.events.v1.Impression;
import io.espalier.events.v1.ShownItem;
import java.time.Instant;
import java.util.Map;

/**
 * An item that was shown, and when what was done with it.
 *
 * @param page that it was shown on
 * @param item as it was shown
 * @param outcomes the first time of each kind of interaction, within the join's window
 */
public record TrainingRow(Impression page, ShownItem item, Map<EventKind, Instant> outcomes) {}

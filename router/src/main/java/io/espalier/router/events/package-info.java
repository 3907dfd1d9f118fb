/** What was shown and what became of it, on its way to the event log, and back from it. */
@NullMarked
package io.espalier.router.events;

import org.jspecify.annotations.NullMarked;

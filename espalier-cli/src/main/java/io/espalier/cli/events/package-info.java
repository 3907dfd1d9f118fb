/** What was shown, joined with what became of it, as rows to train on. */
@NullMarked
package io.espalier.cli.events;

import org.jspecify.annotations.NullMarked;

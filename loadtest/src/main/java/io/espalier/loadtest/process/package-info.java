/** Servers as processes, and streams of changes to a catalogue's writer. */
@NullMarked
package io.espalier.loadtest.process;

import org.jspecify.annotations.NullMarked;

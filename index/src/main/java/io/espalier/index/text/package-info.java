/** Full-text search over the fields of a catalogue. */
@NullMarked
package io.espalier.index.text;

import org.jspecify.annotations.NullMarked;

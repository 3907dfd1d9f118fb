/** The one writer of a catalogue, and those who follow it. */
@NullMarked
package io.espalier.catalog;

import org.jspecify.annotations.NullMarked;

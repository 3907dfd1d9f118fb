/** The built-in shop: a seeded generator of a catalogue, its shoppers and their searches. */
@NullMarked
package io.espalier.shop;

import org.jspecify.annotations.NullMarked;

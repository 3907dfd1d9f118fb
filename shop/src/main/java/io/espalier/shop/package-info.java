/** The built-in shop: a generator of a catalogue, its users and its query log. */
@NullMarked
package io.espalier.shop;

import org.jspecify.annotations.NullMarked;

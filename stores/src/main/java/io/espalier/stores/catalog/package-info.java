/** Catalogue items and the data folders that they are read from. */
@NullMarked
package io.espalier.stores.catalog;

import org.jspecify.annotations.NullMarked;

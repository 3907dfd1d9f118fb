/** Attributes of items and the predicates over them. */
@NullMarked
package io.espalier.index.filter;

import org.jspecify.annotations.NullMarked;

/** A catalogue that changes: a snapshot's items and what came after it, read as one. */
@NullMarked
package io.espalier.index.live;

import org.jspecify.annotations.NullMarked;

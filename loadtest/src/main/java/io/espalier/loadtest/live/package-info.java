/** A catalogue that changes while it is under load. */
@NullMarked
package io.espalier.loadtest.live;

import org.jspecify.annotations.NullMarked;

/** A catalogue's writer that is killed again and again. */
@NullMarked
package io.espalier.loadtest.crash;

import org.jspecify.annotations.NullMarked;

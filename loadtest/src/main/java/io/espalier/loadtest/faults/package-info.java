/** A cluster of processes under load, what is done to it, and what became of its requests. */
@NullMarked
package io.espalier.loadtest.faults;

import org.jspecify.annotations.NullMarked;

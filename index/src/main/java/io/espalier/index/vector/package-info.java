/** Vectors: NumPy files and exact search. */
@NullMarked
package io.espalier.index.vector;

import org.jspecify.annotations.NullMarked;

/** Scores up to 500 candidates in one call. */
@NullMarked
package io.espalier.ranking;

import org.jspecify.annotations.NullMarked;

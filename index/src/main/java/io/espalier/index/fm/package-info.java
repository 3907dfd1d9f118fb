/** Substrings of the items' texts: an FM-index, and which tokens may follow one. */
@NullMarked
package io.espalier.index.fm;

import org.jspecify.annotations.NullMarked;

/** BEQUE and Agent4Ranking: queries in, rewrites out. */
@NullMarked
package io.espalier.rewrite;

import org.jspecify.annotations.NullMarked;

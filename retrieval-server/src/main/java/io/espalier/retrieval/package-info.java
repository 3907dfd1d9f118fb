/** Generative, vector and text retrieval over one catalogue snapshot. */
@NullMarked
package io.espalier.retrieval;

import org.jspecify.annotations.NullMarked;

/**
 * How a model is run: ModelRunner, embedded and Triton, over a model repository in Triton's layout.
 */
@NullMarked
package io.espalier.inference;

import org.jspecify.annotations.NullMarked;

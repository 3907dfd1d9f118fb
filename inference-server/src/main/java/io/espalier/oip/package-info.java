/** The embedded engine behind the Open Inference Protocol, with Triton's extensions. */
@NullMarked
package io.espalier.oip;

import org.jspecify.annotations.NullMarked;

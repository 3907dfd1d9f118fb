/** Models run by a Triton server, over gRPC; the only package that knows its protocol. */
@NullMarked
package io.espalier.inference.triton;

import org.jspecify.annotations.NullMarked;

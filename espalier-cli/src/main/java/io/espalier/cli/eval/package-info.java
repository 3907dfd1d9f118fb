/** Recommendation and search figures, measured through the gRPC services. */
@NullMarked
package io.espalier.cli.eval;

import org.jspecify.annotations.NullMarked;

/** How answers and progress look on a terminal. */
@NullMarked
package io.espalier.cli.show;

import org.jspecify.annotations.NullMarked;

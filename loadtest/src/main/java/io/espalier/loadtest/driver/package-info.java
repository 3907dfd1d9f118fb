/** Load that arrives whether or not answers do, and what became of it. */
@NullMarked
package io.espalier.loadtest.driver;

import org.jspecify.annotations.NullMarked;

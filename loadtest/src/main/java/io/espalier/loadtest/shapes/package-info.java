/** Loads that change while they run, and a page that shows what became of them. */
@NullMarked
package io.espalier.loadtest.shapes;

import org.jspecify.annotations.NullMarked;

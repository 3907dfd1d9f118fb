/** The program that measures and proves. */
@NullMarked
package io.espalier.loadtest;

import org.jspecify.annotations.NullMarked;

/** JMH and peer comparisons. */
@NullMarked
package io.espalier.benchmarks;

import org.jspecify.annotations.NullMarked;

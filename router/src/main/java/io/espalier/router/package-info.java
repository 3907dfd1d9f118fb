/** Routes: fan-out, budgets, merge, degradation, explanation, events. */
@NullMarked
package io.espalier.router;

import org.jspecify.annotations.NullMarked;

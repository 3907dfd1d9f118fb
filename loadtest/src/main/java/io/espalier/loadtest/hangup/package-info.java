/** What is left behind of callers who hang up. */
@NullMarked
package io.espalier.loadtest.hangup;

import org.jspecify.annotations.NullMarked;

/** What the tests of the stages share: a served stage, models as functions, spoilt requests. */
@NullMarked
package io.espalier.testing;

import org.jspecify.annotations.NullMarked;

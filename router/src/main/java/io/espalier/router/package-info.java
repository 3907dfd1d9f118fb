/**
 * Routes: fan-out within budgets, merge, degradation, rules, pinned pages, explanation, events.
 *
 * <p>{@link io.espalier.router.RouterComponent} is the way in. {@code docs/routes.md} describes the
 * files that it reads.
 */
@NullMarked
package io.espalier.router;

import org.jspecify.annotations.NullMarked;

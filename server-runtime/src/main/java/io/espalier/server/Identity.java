package io.espalier.server;

import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Who calls.
 *
 * @param name for limits; never a secret
 * @param scopes what it may do
 * @param tenant on whose behalf; null where it is not for the credentials to say
 * @param single whether it is one caller; the shared token's, and those who need none, are many
 */
record Identity(String name, Set<Scope> scopes, @Nullable String tenant, boolean single) {
  static final Set<Scope> EVERYTHING = Set.copyOf(EnumSet.allOf(Scope.class));
  static final Set<Scope> UNGUARDED = Set.of(Scope.SEARCH, Scope.EVENTS, Scope.STAGE);
}

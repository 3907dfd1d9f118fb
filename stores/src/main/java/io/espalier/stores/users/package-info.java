/** What users did, by user id. */
@NullMarked
package io.espalier.stores.users;

import org.jspecify.annotations.NullMarked;

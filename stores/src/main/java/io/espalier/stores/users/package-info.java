/** What users did, by user id, and the keys that it is sealed with. */
@NullMarked
package io.espalier.stores.users;

import org.jspecify.annotations.NullMarked;

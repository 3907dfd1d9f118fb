/** What users did, on a server that speaks Redis's protocol. */
@NullMarked
package io.espalier.stores.redis;

import org.jspecify.annotations.NullMarked;

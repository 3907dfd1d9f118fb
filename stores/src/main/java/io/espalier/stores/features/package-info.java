/** What is known of items, as models read it. */
@NullMarked
package io.espalier.stores.features;

import org.jspecify.annotations.NullMarked;

/** Named files that outlive machines, such as published snapshots. */
@NullMarked
package io.espalier.stores.blobs;

import org.jspecify.annotations.NullMarked;

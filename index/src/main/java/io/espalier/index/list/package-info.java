/** Tables made offline: popular items and neighbours of items. */
@NullMarked
package io.espalier.index.list;

import org.jspecify.annotations.NullMarked;

/** How items are found: semantic-id trie, attributes, vectors, text. Pure data structures. */
@NullMarked
package io.espalier.index;

import org.jspecify.annotations.NullMarked;

/** Semantic-id trie and the constraints that a decode obeys. */
@NullMarked
package io.espalier.index.trie;

import org.jspecify.annotations.NullMarked;

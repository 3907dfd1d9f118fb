/** Text to token ids and back, as the recipes do it. */
@NullMarked
package io.espalier.inference.text;

import org.jspecify.annotations.NullMarked;

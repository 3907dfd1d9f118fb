/** Immutable index files: mapped into memory, checksummed section by section. */
@NullMarked
package io.espalier.index.file;

import org.jspecify.annotations.NullMarked;

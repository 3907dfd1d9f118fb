/** The command-line program: everything in one process, one server at a time, clients and tools. */
@NullMarked
package io.espalier.cli;

import org.jspecify.annotations.NullMarked;

/** The composition root: which components make a cluster, in one process or one a process. */
@NullMarked
package io.espalier.cli.cluster;

import org.jspecify.annotations.NullMarked;

/** What is deployed: manifests, checksums, versions and the switch. */
@NullMarked
package io.espalier.bundles;

import org.jspecify.annotations.NullMarked;

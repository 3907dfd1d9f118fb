/** Blobs in a bucket of an object store that speaks S3. */
@NullMarked
package io.espalier.stores.s3;

import org.jspecify.annotations.NullMarked;

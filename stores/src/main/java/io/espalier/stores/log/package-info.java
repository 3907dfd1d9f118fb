/** Logs of records: appended, durable, numbered, read again from any offset. */
@NullMarked
package io.espalier.stores.log;

import org.jspecify.annotations.NullMarked;

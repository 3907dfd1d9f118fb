/** A log of records in a topic of Kafka. */
@NullMarked
package io.espalier.stores.kafka;

import org.jspecify.annotations.NullMarked;

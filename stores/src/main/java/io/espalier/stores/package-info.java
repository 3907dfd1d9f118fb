/** What is remembered: user state, features, event and catalogue logs. */
@NullMarked
package io.espalier.stores;

import org.jspecify.annotations.NullMarked;

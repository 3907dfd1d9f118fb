/**
 * How a server lives: bootstrap, configuration, lifecycle, health, telemetry, deadlines, limits.
 */
@NullMarked
package io.espalier.server;

import org.jspecify.annotations.NullMarked;

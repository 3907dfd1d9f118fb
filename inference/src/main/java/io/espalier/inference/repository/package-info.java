/** Model folders in Triton's layout: what config.pbtxt says, checked before anything is loaded. */
@NullMarked
package io.espalier.inference.repository;

import org.jspecify.annotations.NullMarked;

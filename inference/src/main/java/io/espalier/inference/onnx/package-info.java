/** ONNX files as files: what is changed in a graph before an engine loads it. */
@NullMarked
package io.espalier.inference.onnx;

import org.jspecify.annotations.NullMarked;

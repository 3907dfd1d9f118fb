/** Models run in this process by ONNX Runtime, with Triton's queueing and batching. */
@NullMarked
package io.espalier.inference.embedded;

import org.jspecify.annotations.NullMarked;

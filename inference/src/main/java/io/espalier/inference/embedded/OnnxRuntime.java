package io.espalier.inference.embedded;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtLoggingLevel;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The process's ONNX Runtime, with its telemetry off.
 *
 * <p>Since 1.29 the Linux and macOS builds send usage data to Microsoft, keep a device id and a
 * cache in the home folder, and take the command line apart with a recursive matcher: a long class
 * path overflows the stack of the thread that asks first, which ends the process. All of that is
 * decided when the environment is made, by a variable that only native code sees.
 */
final class OnnxRuntime {
  private OnnxRuntime() {}

  /** The environment; the first call makes it. */
  static OrtEnvironment environment() {
    disableTelemetry();
    // What goes wrong in a call reaches its caller; ONNX Runtime would print it as well.
    return OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL, "espalier");
  }

  /** Leaves alone what the user has set. */
  @SuppressWarnings("restricted") // ONNX Runtime itself needs native access.
  private static void disableTelemetry() {
    Linker linker = Linker.nativeLinker();
    MemorySegment setenv = linker.defaultLookup().find("setenv").orElse(MemorySegment.NULL);
    if (setenv.equals(MemorySegment.NULL)) {
      return; // Windows builds have no such variable.
    }
    MethodHandle call =
        linker.downcallHandle(
            setenv,
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT));
    try (Arena arena = Arena.ofConfined()) {
      int result =
          (int)
              call.invokeExact(
                  arena.allocateFrom("ORT_DISABLE_TELEMETRY"), arena.allocateFrom("1"), 0);
      if (result != 0) {
        throw new IllegalStateException("setenv: " + result + " (expected: 0)");
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }
}

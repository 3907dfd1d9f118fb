package io.espalier.server;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts threads for work that requests must not wait for: where processors are few, the operating
 * system runs whoever serves a request first, and this work in what is left.
 *
 * <p>Java's own priorities do nothing on Linux. There a thread has a nice value of its own; on
 * other systems the value is the process's, and the thread is one like any other.
 */
public final class BackgroundThread {
  private static final Logger log = LoggerFactory.getLogger(BackgroundThread.class);
  // A tenth of a core that others want all of, so that the work ends in any case.
  private static final int NICER = 10;

  private BackgroundThread() {}

  /** Starts a daemon thread for some work; threads that it starts inherit how nice it is. */
  public static Thread start(String name, Runnable work) {
    return Thread.ofPlatform()
        .daemon()
        .name(name)
        .start(
            () -> {
              yieldToOthers();
              work.run();
            });
  }

  private static void yieldToOthers() {
    if (!System.getProperty("os.name").equals("Linux")) {
      return;
    }
    try {
      Nice.CALL.invoke(NICER);
    } catch (Throwable e) {
      log.warn("{} runs beside requests, not after them", Thread.currentThread().getName(), e);
    }
  }

  private static final class Nice {
    @SuppressWarnings("restricted") // Whoever serves has native access for ONNX Runtime.
    static final MethodHandle CALL =
        Linker.nativeLinker()
            .downcallHandle(
                Linker.nativeLinker().defaultLookup().findOrThrow("nice"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
  }
}

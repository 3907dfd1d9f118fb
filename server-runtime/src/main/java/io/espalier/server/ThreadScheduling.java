package io.espalier.server;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells the operating system how to run the current thread; where it cannot be told, the thread is
 * one like any other.
 *
 * <p>Java's own priorities do nothing on Linux. There a thread has a nice value and slices of its
 * own; on other systems they are the process's.
 */
public final class ThreadScheduling {
  private static final Logger log = LoggerFactory.getLogger(ThreadScheduling.class);
  // A tenth of a core that others want all of, so that the work ends in any case.
  private static final int NICER = 10;
  // Whoever wakes up waits for the slice of the thread that runs, milliseconds unless it asks for
  // less, or the other does.
  private static final long SLICE_NANOS = 100_000;

  private ThreadScheduling() {}

  /** Runs the current thread in what others leave, and never for long. */
  static void yieldToOthers() {
    change(NICER);
  }

  /**
   * Runs the current thread as soon as it wakes up, whatever else runs; for one that sleeps most of
   * the time.
   */
  public static void wakePromptly() {
    change(0);
  }

  private static void change(int nicer) {
    if (!System.getProperty("os.name").equals("Linux")) {
      return;
    }
    try {
      int nice = (int) Nice.CALL.invoke(nicer);
      Slice.shorten(nice);
    } catch (Throwable e) {
      log.warn("{} runs as others do", Thread.currentThread().getName(), e);
    }
  }

  @SuppressWarnings("restricted") // Whoever serves has native access for ONNX Runtime.
  private static MethodHandle call(
      String name, FunctionDescriptor shape, Linker.Option... options) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), shape, options);
  }

  private static final class Nice {
    static final MethodHandle CALL =
        call("nice", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
  }

  /** {@code sched_setattr(2)}; Linux before 6.12 keeps its own slices and says nothing. */
  private static final class Slice {
    static final MethodHandle SYSTEM_CALL =
        call(
            "syscall",
            FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_INT),
            Linker.Option.firstVariadicArg(1));
    private static final int ATTRIBUTES = 48;
    private static final long KEEP_POLICY = 0x08;

    static void shorten(int nice) throws Throwable {
      long number =
          switch (System.getProperty("os.arch")) {
            case "amd64" -> 314;
            case "aarch64" -> 274;
            default -> 0;
          };
      if (number == 0) {
        return;
      }
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment attributes = arena.allocate(ATTRIBUTES, Long.BYTES);
        attributes.set(ValueLayout.JAVA_INT, 0, ATTRIBUTES);
        attributes.set(ValueLayout.JAVA_LONG, 8, KEEP_POLICY);
        attributes.set(ValueLayout.JAVA_INT, 16, nice);
        attributes.set(ValueLayout.JAVA_LONG, 24, SLICE_NANOS);
        long refused = (long) SYSTEM_CALL.invoke(number, 0, attributes, 0);
        if (refused != 0) {
          log.debug("{} keeps its slice", Thread.currentThread().getName());
        }
      }
    }
  }
}

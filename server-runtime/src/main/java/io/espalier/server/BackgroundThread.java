package io.espalier.server;

/**
 * Starts threads for work that requests must not wait for: where processors are few, the operating
 * system runs whoever serves a request first, and this work in what is left.
 */
public final class BackgroundThread {
  private BackgroundThread() {}

  /** Starts a daemon thread for some work; threads that it starts inherit how nice it is. */
  public static Thread start(String name, Runnable work) {
    return Thread.ofPlatform()
        .daemon()
        .name(name)
        .start(
            () -> {
              ThreadScheduling.yieldToOthers();
              work.run();
            });
  }
}

package io.espalier.stores;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Folders whose entries outlive a loss of power. */
public final class Folders {
  private static final Logger log = LoggerFactory.getLogger(Folders.class);

  private Folders() {}

  /**
   * Makes a folder, and those on the way to it, where they are not there; durable on return, also
   * when another process made it a moment ago.
   *
   * @throws IOException when it cannot be made, or not be made durable
   */
  public static void make(Path folder) throws IOException {
    make(folder, Folders::force);
  }

  static void make(Path folder, Force force) throws IOException {
    Path there = folder.toAbsolutePath();
    // A name is an entry of the folder above it.
    Path top = there.getParent();
    while (top != null && !Files.exists(top)) {
      top = top.getParent();
    }
    Files.createDirectories(there);
    for (Path at = there.getParent(); top != null && at != null; at = at.getParent()) {
      force.force(at);
      if (at.equals(top)) {
        break;
      }
    }
  }

  /** Makes a folder's entries durable. */
  interface Force {
    void force(Path folder) throws IOException;
  }

  /**
   * Makes what was created, renamed and deleted in a folder outlive a loss of power.
   *
   * @throws IOException when that fails
   */
  public static void force(Path folder) throws IOException {
    FileChannel channel;
    try {
      channel = FileChannel.open(folder, StandardOpenOption.READ);
    } catch (IOException e) {
      // Not every platform can open a folder; those force its entries with the file.
      log.debug("{}: cannot be forced", folder, e);
      return;
    }
    try (channel) {
      channel.force(true);
    } catch (IOException e) {
      throw new IOException(folder + ": cannot be forced: " + e.getMessage(), e);
    }
  }
}

package io.espalier.stores.log;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;

/** The files of a log as its tests must be able to pull the plug on them. */
interface LogFiles {

  /** The names of the files, in no order. */
  List<String> list() throws IOException;

  /** Opens a file, and makes it when it is not there. */
  LogFile open(String name) throws IOException;

  void delete(String name) throws IOException;

  /** Makes creations and deletions outlive a loss of power. */
  void force() throws IOException;

  /** One of the files. */
  interface LogFile extends AutoCloseable {
    long size() throws IOException;

    /** Reads until the buffer is full or the file ends. */
    void read(ByteBuffer into, long position) throws IOException;

    void write(byte[] bytes, long position) throws IOException;

    void truncate(long size) throws IOException;

    /** Makes what was written outlive a loss of power. */
    void force() throws IOException;

    @Override
    void close() throws IOException;
  }
}

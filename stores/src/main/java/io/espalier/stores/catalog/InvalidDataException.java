package io.espalier.stores.catalog;

import java.nio.file.Path;

/** A data folder that breaks its format; the message names the file, the line and the value. */
public final class InvalidDataException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  InvalidDataException(String message) {
    super(message);
  }

  /** A line that breaks its format. Lines count from 1. */
  InvalidDataException(Path file, long line, String problem) {
    super(file + ":" + line + ": " + problem);
  }
}

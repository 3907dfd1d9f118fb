package io.espalier.cli;

/**
 * A failure that a person can act on; its message says what, which value, what was expected and
 * what to do.
 */
final class ProgramException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int exitCode;

  ProgramException(int exitCode, String message) {
    super(message);
    this.exitCode = exitCode;
  }

  int exitCode() {
    return exitCode;
  }
}

package io.espalier.cli;

/** What the program's exit codes mean. */
final class ExitCode {
  static final int OK = 0;

  /** The work was tried and failed. */
  static final int FAILED = 1;

  /** The command line is wrong. */
  static final int USAGE = 2;

  /** Something is missing on this machine: a JDK, a Python, a data folder, a bundle. */
  static final int MISSING = 3;

  /** No server answered. */
  static final int UNREACHABLE = 4;

  private ExitCode() {}
}

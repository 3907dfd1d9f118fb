package io.espalier.server;

/** What is served at one of a server's addresses. */
enum Listens {
  /** Everything, inside this process. */
  IN_PROCESS,
  /** Everything. */
  ALONE,
  /** What is not guarded, beside an admin address. */
  BESIDE_ADMIN,
  /** What is guarded. */
  ADMIN;

  boolean serves(Scope scope) {
    return switch (this) {
      case IN_PROCESS, ALONE -> true;
      case BESIDE_ADMIN -> !scope.guarded();
      case ADMIN -> scope.guarded();
    };
  }

  /** Where the rest is. */
  String other() {
    return this == ADMIN ? "the server's own address" : "the server's admin address";
  }
}

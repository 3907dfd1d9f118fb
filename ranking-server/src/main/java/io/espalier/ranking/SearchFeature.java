package io.espalier.ranking;

import java.util.Locale;

/** The features of the search ranker, as docs/decisions/0005 defines them. */
enum SearchFeature {
  BM25,
  DENSE,
  TYPE,
  ATTRIBUTE,
  TITLE,
  ACCESSORY,
  REWRITE;

  /** The name in bundles and answers. */
  String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}

package io.espalier.loadtest.shapes;

/** What kind of question a request is. */
public enum Asked {
  /** One of the data's users or queries. */
  USUAL,
  /** One of the same user each time. */
  HOT_USER,
  /** One that was not asked before, so that no cache has what it takes. */
  UNSEEN
}
